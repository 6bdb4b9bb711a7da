# Completion of @program@ in fish. Every candidate comes from `@program@ __complete`.
function __@program@_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -l cursor (count $words)
    set -e words[1]
    for line in ($program __complete $cursor -- $words "$current" 2>/dev/null)
        set -l parts (string match -r '^\{"insert":"(.*)","display":"(.*)","type":"[a-z]+"\}$' -- $line)
        and string replace -a '\\"' '"' -- $parts[2..3] | string replace -a '\\\\' '\\' | string join \t
    end
end
complete -c @program@ -e
complete -c @program@ -f -a '(__@program@_complete)'
