# shellcheck shell=bash
# For tests in bash that compare texts.

expect() { # name wanted got
    if [ "$2" = "$3" ]; then
        echo "ok $1"
    else
        printf 'not ok %s\n# wanted: %s\n# got:    %s\n' "$1" "$2" "$3"
    fi
}
