# Completes the command lines of jaxcnn in bash. Made by `jaxcnn completion bash`.
# To have it: jaxcnn completion bash > ~/.local/share/bash-completion/completions/jaxcnn

_jaxcnn_words() { # a command and an option of it -> what may follow; "-" stands for the options themselves
  case "$1|$2" in
    # the table stands here
  esac
}

_jaxcnn() {
  # The line is taken apart here, since bash would also break words at "=".
  local line=${COMP_LINE:0:COMP_POINT} command='' option='' prefix='' last='' value found word
  local -a before
  value=${line##*[[:space:]]}
  IFS=$' \t\n' read -r -a before <<< "${line%"$value"}"
  for word in "${before[@]:1}"; do
    last=$word
    [[ -n $(_jaxcnn_words "${command:+$command }$word" -) ]] && command="${command:+$command }$word"
  done
  if [[ $value == --*=* ]]; then
    option=${value%%=*} prefix=${value%%=*}= value=${value#*=}
  elif [[ $value == --config.* ]]; then
    option=--config.
  elif [[ $value == -* ]]; then
    option=-
  elif [[ $last == --* && -n $(_jaxcnn_words "$command" "$last") ]]; then
    option=$last
  fi
  found=$(_jaxcnn_words "$command" "$option")
  local IFS=$'\n'
  COMPREPLY=($(compgen -W "${found// /$'\n'}" -- "$value"))
  [[ $found == *@file* ]] && COMPREPLY+=($(compgen -f -- "$value")) && compopt -o filenames 2> /dev/null
  [[ $found == *@dir* ]] && COMPREPLY+=($(compgen -d -- "$value")) && compopt -o filenames 2> /dev/null
  # bash breaks words at ":", too, and replaces what is behind it
  [[ $value == *:* && $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("${COMPREPLY[@]#"${value%"${value##*:}"}"}")
  [[ ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace 2> /dev/null
  [[ -n $prefix && $COMP_WORDBREAKS != *=* ]] && COMPREPLY=("${COMPREPLY[@]/#/$prefix}")
  return 0
}

complete -F _jaxcnn jaxcnn
