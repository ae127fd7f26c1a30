# Completes the command lines of jaxcnn in fish. Made by `jaxcnn completion fish`.
# To have it: jaxcnn completion fish > ~/.config/fish/completions/jaxcnn.fish

function __jaxcnn_words # a command and an option of it -> what may follow; "-" stands for the options themselves
    switch "$argv[1]|$argv[2]"
        # the table stands here
    end
end

function __jaxcnn
    set -l before (commandline -opc)
    set -l value (commandline -ct)
    set -l last $before[-1]
    set -l command ''
    set -l option ''
    set -l prefix ''
    for word in $before[2..-1]
        set -l longer (string trim -- "$command $word")
        test -n "$(__jaxcnn_words $longer -)"; and set command $longer
    end
    if string match -q -- '--*=*' $value
        set -l parts (string split -m 1 = -- $value)
        set option $parts[1]
        set prefix $parts[1]=
        set value $parts[2]
    else if string match -q -- '--config.*' $value
        set option --config.
    else if string match -q -- '-*' $value
        set option -
    else if string match -q -- '--*' $last; and test -n "$(__jaxcnn_words $command $last)"
        set option $last
    end
    for word in (__jaxcnn_words "$command" "$option" | string split ' ')
        switch $word
            case @file
                __fish_complete_path $value | string replace -r '^' -- $prefix
            case @dir
                __fish_complete_directories $value | string replace -r '^' -- $prefix
            case '*'
                echo $prefix$word
        end
    end
end

complete -c jaxcnn -f -a '(__jaxcnn)'
