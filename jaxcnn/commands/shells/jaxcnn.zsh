#compdef jaxcnn
# Completes the command lines of jaxcnn in zsh. Made by `jaxcnn completion zsh`.
# To have it: jaxcnn completion zsh > DIR/_jaxcnn, for a folder DIR of $fpath

_jaxcnn_words() { # a command and an option of it -> what may follow; "-" stands for the options themselves
  case "$1|$2" in
    # the table stands here
  esac
}

_jaxcnn() {
  local command='' option='' word found
  for word in ${words[2,CURRENT-1]}; do
    [[ -n $(_jaxcnn_words "${command:+$command }$word" -) ]] && command="${command:+$command }$word"
  done
  if [[ $PREFIX == --*=* ]]; then
    option=${PREFIX%%=*}
    compset -P '*='
  elif [[ $PREFIX == --config.* ]]; then
    option=--config.
  elif [[ $PREFIX == -* ]]; then
    option=-
  elif [[ $words[CURRENT-1] == --* && -n $(_jaxcnn_words "$command" "$words[CURRENT-1]") ]]; then
    option=$words[CURRENT-1]
  fi
  found=$(_jaxcnn_words "$command" "$option")
  for word in ${=found}; do
    case $word in
      @file) _files ;;
      @dir) _files -/ ;;
      *[=.]) compadd -S '' -- $word ;;
      *) compadd -- $word ;;
    esac
  done
}

if [[ $funcstack[1] == _jaxcnn ]]; then # a file of $fpath, which is run the first time
  _jaxcnn "$@"
else
  compdef _jaxcnn jaxcnn
fi
