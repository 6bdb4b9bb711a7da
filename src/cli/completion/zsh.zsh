#compdef @program@
# Completion of @program@ in zsh. Every candidate comes from `@program@ __complete`.
_@program@() {
    local line insert display
    local -a answers inserts displays folders
    answers=("${(@f)$("${(Q)words[1]/#\~/$HOME}" __complete $((CURRENT - 1)) -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    for line in $answers; do
        insert=${${line#'{"insert":"'}%%'","display":"'*}
        display=${${line#*'","display":"'}%'","type":"'*}
        insert=${${insert//\\\"/\"}//\\\\/\\}
        display=${${display//\\\"/\"}//\\\\/\\}
        if [[ $insert == */ ]]; then
            folders+=("$insert")
        else
            inserts+=("$insert")
            displays+=("$insert  -- $display")
        fi
    done
    ((${#inserts})) && compadd -M 'm:{a-zA-Z}={A-Za-z}' -l -d displays -a inserts
    ((${#folders})) && compadd -M 'm:{a-zA-Z}={A-Za-z}' -S '' -a folders
    ((${#inserts} + ${#folders}))
}
if [[ ${funcstack[1]:-} == _@program@ ]]; then
    _@program@ "$@"
else
    (($+functions[compdef])) || { autoload -Uz compinit && compinit -i -D }
    compdef _@program@ @program@
fi
