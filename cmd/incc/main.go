// Command incc compiles and trains convolutional networks: it reads specs in the incc
// language and writes ONNX models or Go packages. See incc -h and README.md.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir/diag"
)

// Exit codes of all commands.
const (
	exitOK          = 0
	exitError       = 1   // the command failed, for example because of a bad spec, model or file
	exitUsage       = 2   // the command line is wrong
	exitNumerical   = 3   // a loss or gradient was not finite, or numbers that must agree do not
	exitInterrupted = 130 // SIGINT or SIGTERM
)

func main() {
	tuneCollector()
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// tuneCollector makes the garbage collector run whenever the heap has grown by a
// quarter, but not while the heap is smaller than 16 MiB. Most of the memory holds
// weights, which live as long as the process; frequent collection frees the temporary
// data that they were computed from. At the start, however, the heap has only a few
// megabytes, and collecting it again and again would take a large part of the time to
// the first result. tuneCollector does nothing if the user sets GOGC.
func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	const percent, least = 25, 16 << 20 // growth in percent of the live heap; least heap in bytes
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	type sentinel struct{ _ *byte }
	var pace func(*sentinel)
	pace = func(*sentinel) { // a finalizer, so it runs after every collection
		p := percent
		if metrics.Read(sample); sample[0].Value.Kind() == metrics.KindUint64 {
			live := max(least/5, sample[0].Value.Uint64())
			p = max(p, int(100*least/live)-100)
		}
		debug.SetGCPercent(p)
		runtime.SetFinalizer(new(sentinel), pace)
	}
	pace(nil)
}

// usageError is a mistake in the command line; the exit code is exitUsage.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// numericalError reports numbers that are not finite, or that differ although they must
// agree; the exit code is exitNumerical.
type numericalError struct{ msg string }

func (e *numericalError) Error() string { return e.msg }

// reported is an error whose text has been printed already.
type reported struct{ code int }

func (e *reported) Error() string { return "reported" }

// run executes a command line and returns its exit code. main and tests call it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app := newApp(stdin, stdout, stderr)
	if n := len(args); n > 1 && args[n-1] == completing {
		complete(app, args[1:n-1])
		return exitOK
	}
	args, err := reorder(app, args)
	if err == nil {
		err = app.Run(args)
	}
	return exitCode(err, args, stderr)
}

// exitCode prints an error, unless it has been printed already, and returns the exit
// code for it.
func exitCode(err error, args []string, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	code := exitError
	var (
		rep   *reported
		usage *usageError
		num   *numericalError
	)
	switch {
	case errors.As(err, &rep):
		return rep.code
	case errors.As(err, &usage):
		code = exitUsage
	case errors.As(err, &num):
		code = exitNumerical
	}
	_ = say(stderr, "incc: "+errorText(err, args...))
	if code == exitUsage {
		fmt.Fprintln(stderr, "Run incc -h or incc COMMAND -h for help.")
	}
	return code
}

// errorText returns the text of an error for the terminal. Paths and arguments with
// unusual characters are quoted, and no control sequence reaches the terminal.
func errorText(err error, args ...string) string {
	text := strings.TrimRight(plainError(err), "\n")
	names := append(pathsOf(err), args...)
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok {
			names = append(names, value)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) }) // the longest first: one may be a part of another
	for _, name := range names {
		if diag.Printable(name) != name {
			text = strings.ReplaceAll(text, name, diag.Name(name))
		}
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = diag.Printable(l)
	}
	return strings.Join(lines, "\n")
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:      "incc",
		Usage:     "a compiler for Inception, NIN and Maxout networks",
		UsageText: "incc COMMAND [flags] SPEC\n\nSPEC is the path of a .incc file or of an ONNX model, the name of a built-in\nnetwork (incc specs), or the folder of a training run, whose weights are then used.",
		Description: `Compile GoogLeNet to an ONNX model, and look at its layers:

   incc compile googlenet -o googlenet.onnx
   incc summary googlenet`,
		Reader:                 stdin,
		Writer:                 stdout,
		ErrWriter:              stderr,
		HideVersion:            true,
		Commands:               commands(),
		Suggest:                true,
		UseShortOptionHandling: false,
		// Only exitCode prints errors and turns them into exit codes.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsageError,
		Flags:          []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version"}},
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				return writeVersion(c.App.Writer)
			}
			if c.Args().Present() {
				return usagef("unknown command %s%s", diag.Quote(c.Args().First()), didYouMean(c.Args().First(), commandNames(c.App)))
			}
			return cli.ShowAppHelp(c)
		},
	}
	return app
}

func onUsageError(_ *cli.Context, err error, _ bool) error { return usagef("%v", err) }

func commandNames(app *cli.App) []string {
	var names []string
	for _, c := range app.Commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// commands is the list of all commands, in the order in which help shows them:
// the main job first.
func commands() []*cli.Command {
	cmds := []*cli.Command{
		compileCommand(),
		summaryCommand(),
		drawCommand(),
		viewCommand(),
		runCommand(),
		predictCommand(),
		benchCommand(),
		planCommand(),
		trainCommand(),
		evalCommand(),
		quantizeCommand(),
		compressCommand(),
		compareCommand(),
		experimentCommand(),
		dataCommand(),
		diffCommand(),
		verifyCommand(),
		importCommand(),
		newCommand(),
		specsCommand(),
		fmtCommand(),
		vetCommand(),
		explainCommand(),
		passesCommand(),
		weightsCommand(),
		genCommand(),
		doctorCommand(),
		lspCommand(),
		completionCommand(),
		versionCommand(),
	}
	for _, c := range cmds {
		finish(c)
	}
	return cmds
}

// finish sets the fields that are the same in all commands and subcommands.
func finish(c *cli.Command) {
	c.OnUsageError = onUsageError
	c.Before = noEmptyValues
	for _, s := range c.Subcommands {
		finish(s)
	}
}
