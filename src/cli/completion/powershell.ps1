# Completion of @program@ in PowerShell. Every candidate comes from `@program@ __complete`.
Register-ArgumentCompleter -Native -CommandName '@program@' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object { if ($_.PSObject.Properties['Value']) { [string]$_.Value } else { $_.Extent.Text } })
    $program = $words[0]
    $before = @($words | Select-Object -Skip 1)
    if ($wordToComplete -ne '' -and $before.Count -gt 0) {
        $before = @($before | Select-Object -SkipLast 1)
    }
    $current = $wordToComplete
    # Older versions leave out an empty argument that is not in quotes.
    if ($current -eq '' -and $PSVersionTable.PSVersion -lt [version]'7.3') { $current = '""' }
    & $program __complete ($before.Count + 1) '--' @before $current 2>$null | ForEach-Object {
        $candidate = $_ | ConvertFrom-Json
        $kind = if ($candidate.type -eq 'flag') { 'ParameterName' } else { 'ParameterValue' }
        [System.Management.Automation.CompletionResult]::new($candidate.insert, $candidate.insert, $kind, $candidate.display)
    }
}
