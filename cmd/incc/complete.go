package main

import (
	"fmt"
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
				return usagef("incc completion needs a shell (bash, zsh or fish)")
			}
			_, err := fmt.Fprint(c.App.Writer, s)
			return err
		},
	}
}

// completing is the last argument that the completion scripts pass. Before it they
// pass the words to the left of the cursor, and also the word at the cursor if it
// begins with a dash.
const completing = "--generate-bash-completion"

// complete prints the words that are possible at the cursor: commands, flags (after a
// dash), or the names of built-in networks. The scripts complete file names themselves.
func complete(app *cli.App, words []string) {
	cmds, flags, names := app.Commands, app.Flags, []string(nil)
	for _, w := range words {
		c := find(cmds, w)
		if c == nil {
			break
		}
		cmds, flags, names = c.Subcommands, c.Flags, specs.Names()
	}
	if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "-") {
		for _, f := range flags {
			for _, n := range f.Names() {
				if len(n) > 1 {
					fmt.Fprintln(app.Writer, "--"+n)
				}
			}
		}
		return
	}
	for _, c := range cmds {
		if !c.Hidden {
			fmt.Fprintln(app.Writer, c.Name)
		}
	}
	for _, n := range names {
		fmt.Fprintln(app.Writer, n)
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
