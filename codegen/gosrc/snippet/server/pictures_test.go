package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPictureFiles lists the pictures that files, folders and patterns name, as the command
// of a generated package does.
func TestPictureFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a/1.png", "a/2.JPG", "a/.hidden.png", "a/.git/3.png", "a/notes.txt", "a/b/4.gif", "empty/x", "one.png", "[odd].png"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args, want string // paths, with ! where there is a reason
		found      bool
		skipped    string
	}{
		{"one.png", "one.png", false, ""},
		{"a", "a/1.png a/2.JPG a/b/4.gif", true, "1 file in the folders is no picture and was skipped (.txt: 1)"},
		{"a/*.png one.png", "a/1.png one.png", true, ""},
		{"[odd].png", "[odd].png", false, ""},
		{"empty", "empty!", true, "1 file in the folders is no picture and was skipped (no ending: 1)"},
		{"a empty", "a/1.png a/2.JPG a/b/4.gif empty!", true, "2 files in the folders are no pictures and were skipped (.txt: 1, no ending: 1)"},
		{"none none*", "none! none*!", true, ""},
		{"a[", "a[!", true, ""},
	} {
		list, found, skipped := pictureFiles(strings.Fields(c.args), isStandard, "PNG")
		var got []string
		for _, f := range list {
			name := filepath.ToSlash(f.path)
			if f.err != nil {
				name += "!"
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != c.want || found != c.found || skippedText(skipped) != c.skipped {
			t.Errorf("%s: %q, %v, %q", c.args, got, found, skippedText(skipped))
		}
	}
}
