# Completion of @program@ in bash. Every candidate comes from `@program@ __complete`.
_@program@_complete() {
    local rest=${COMP_LINE:0:COMP_POINT} stripped piece index words=()
    rest=${COMP_WORDS[0]}${rest#*"${COMP_WORDS[0]}"}
    # Bash splits words at `=` and `:`, too: what is not separated by white space is one word.
    for ((index = 0; index <= COMP_CWORD; index++)); do
        piece=${COMP_WORDS[index]}
        stripped=${rest#"${rest%%[![:space:]]*}"}
        ((index < COMP_CWORD)) || piece=$stripped
        if ((index > 0)) && [[ $stripped == "$rest" ]]; then
            words[${#words[@]} - 1]+=$piece
        else
            words+=("$piece")
        fi
        rest=${stripped#"$piece"}
    done
    local current=${words[${#words[@]} - 1]} program=${words[0]/#\~/$HOME} breaks= start= line insert
    [[ $COMP_WORDBREAKS != *=* ]] || breaks+='='
    [[ $COMP_WORDBREAKS != *:* ]] || breaks+=':'
    # Bash replaces only what follows the last of them.
    [[ -z $breaks || $current != *[$breaks]* ]] || start=${current%"${current##*[$breaks]}"}
    COMPREPLY=()
    while IFS= read -r line; do
        insert=${line#'{"insert":"'}
        insert=${insert%%'","display":"'*}
        insert=${insert//'\"'/'"'}
        insert=${insert//'\\'/'\'}
        printf -v insert '%q' "${insert:${#start}}"
        COMPREPLY+=("$insert")
    done < <("$program" __complete $((${#words[@]} - 1)) -- "${words[@]:1}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _@program@_complete @program@
