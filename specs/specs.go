// Package specs embeds the built-in networks, one in each file. The comment at the top of
// a file names the paper and the table, and the numbers of parameters and
// multiply-accumulates that the network must have; a test compares them.
package specs

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// FS holds the files: googlenet.incc, mnist/nin.incc.
//
//go:embed *.incc fashion/*.incc mnist/*.incc mnist/original.csv
var FS embed.FS

// Names lists the built-in networks in order: googlenet, mnist/nin.
func Names() []string {
	var names []string
	// The embedded tree has no errors to report.
	_ = fs.WalkDir(FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Ext(p) == ".incc" {
			names = append(names, strings.TrimSuffix(p, ".incc"))
		}
		return err
	})
	return names
}

// Source returns the text of a built-in network and the path it stands under in
// the project, specs/googlenet.incc; ok is false if there is none of that name.
func Source(name string) (text []byte, file string, ok bool) {
	text, err := FS.ReadFile(name + ".incc")
	return text, "specs/" + name + ".incc", err == nil
}

// Doc returns the begin of the comment at the head of a spec: its first sentence,
// up to the paper that it names in brackets.
func Doc(text []byte) string {
	var words []string
	for _, line := range strings.Split(string(text), "\n") {
		c, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		words = append(words, strings.Fields(c)...)
	}
	s := strings.Join(words, " ")
	for i := 0; i+1 < len(s); i++ {
		if s[i] == ')' {
			return s[:i+1]
		}
		if (s[i] == '.' || s[i] == ':') && s[i+1] == ' ' {
			return s[:i]
		}
	}
	return strings.TrimSuffix(s, ".")
}
