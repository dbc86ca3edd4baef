package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/specs"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a shell",
		UsageText: "incc completion bash|zsh|fish",
		Description: `Example, for the shell that is running now:

   source <(incc completion bash)`,
		Action: func(c *cli.Context) error {
			scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
			s, ok := scripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usagef("incc completion wants one of bash, zsh and fish")
			}
			_, err := fmt.Fprint(c.App.Writer, s)
			return err
		},
	}
}

// complete prints what may stand where the cursor is: flags after a dash, else
// the names of built-in networks (files are the shell's own business).
func complete(c *cli.Context) {
	last := ""
	if n := len(os.Args); n > 2 {
		last = os.Args[n-2]
	}
	if strings.HasPrefix(last, "-") {
		for _, f := range c.Command.Flags {
			for _, n := range f.Names() {
				if len(n) > 1 {
					fmt.Fprintln(c.App.Writer, "--"+n)
				}
			}
		}
		return
	}
	for _, s := range c.Command.Subcommands {
		fmt.Fprintln(c.App.Writer, s.Name)
	}
	for _, n := range specs.Names() {
		fmt.Fprintln(c.App.Writer, n)
	}
}

const bashCompletion = `_incc_complete() {
  local cur="${COMP_WORDS[COMP_CWORD]}"
  local words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  if [[ "$cur" == -* ]]; then words+=("$cur"); fi
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur") $(compgen -f -X '!*.incc' -- "$cur"))
}
complete -o filenames -o bashdefault -F _incc_complete incc
`

const zshCompletion = `#compdef incc
_incc() {
  local -a opts
  local cur=${words[-1]}
  if [[ "$cur" == -* ]]; then
    opts=("${(@f)$(${words[@]:0:#words[@]-1} ${cur} --generate-bash-completion 2>/dev/null)}")
  else
    opts=("${(@f)$(${words[@]:0:#words[@]-1} --generate-bash-completion 2>/dev/null)}")
  fi
  compadd -a opts
  _files -g '*.incc'
}
compdef _incc incc
`

const fishCompletion = `function __incc_complete
  set -l words (commandline -opc)
  set -l cur (commandline -ct)
  if string match -q -- '-*' $cur
    set -a words $cur
  end
  $words --generate-bash-completion 2>/dev/null
end
complete -c incc -a '(__incc_complete)'
`
