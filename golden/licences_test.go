package golden

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// licences are phrases by which a licence is recognized: all of a line must occur, in
// order of the words but not of the lines. The first that matches counts.
var licences = []struct {
	name    string
	phrases []string
	allowed bool
}{
	{"FreeType", []string{"your choice of exactly one", "FreeType License", "GNU General Public License"}, true}, // we choose the FreeType License
	{"OFL-1.1", []string{"SIL OPEN FONT LICENSE", "Version 1.1", "taken under the SIL Open Font License"}, true}, // of GNU Unifont, which has the GPL as another choice
	{"AGPL", []string{"GNU AFFERO GENERAL PUBLIC LICENSE"}, false},
	{"LGPL", []string{"GNU LESSER GENERAL PUBLIC LICENSE"}, false},
	{"GPL", []string{"GNU GENERAL PUBLIC LICENSE"}, false},
	{"Creative Commons", []string{"Creative Commons"}, false},
	{"Creative Commons", []string{"creativecommons.org"}, false},
	{"MPL-2.0", []string{"Mozilla Public License", "2.0"}, true},
	{"Apache-2.0", []string{"Apache License", "Version 2.0", "Grant of Patent License"}, true},
	{"OFL-1.1", []string{"SIL OPEN FONT LICENSE", "Version 1.1"}, true},
	{"MIT", []string{"Permission is hereby granted, free of charge", "without restriction", "THE SOFTWARE IS PROVIDED \"AS IS\""}, true},
	{"ISC", []string{"Permission to use, copy, modify, and", "distribute this software for any purpose", "provided that the above"}, true},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "Neither the name"}, true},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "names of its contributors may not be used to endorse"}, true},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms", "in binary form must reproduce"}, true},
}

// licenceOf recognizes the licence of a text.
func licenceOf(text string) (name string, allowed bool) {
	words := strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(text, ">", " ")), " "))
	for _, l := range licences {
		if !slices.ContainsFunc(l.phrases, func(p string) bool { return !strings.Contains(words, strings.ToLower(p)) }) {
			return l.name, l.allowed
		}
	}
	return "unknown", false
}

// TestLicences lists the licence of every module that is linked into incc, and of the font
// that is copied into it, by the licence files in the folders of its linked packages and above them. All are permissive.
// Generated packages link nothing beside the standard library ([TestGeneratedPackages]).
func TestLicences(t *testing.T) {
	cmd := moduleCommand("..", []string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"}, "go", "list", "-deps",
		"-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}", "./cmd/incc")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := map[string][]string{} // of a module and version
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			continue
		}
		name, root, dir := f[0], f[1], f[2]
		files[name] = append(files[name], licenceFiles(t, dir, true)...)
		for ; strings.HasPrefix(dir, root) && len(dir) > len(root); dir = filepath.Dir(dir) {
			files[name] = append(files[name], licenceFiles(t, dir, false)...)
		}
		files[name] = append(files[name], licenceFiles(t, root, false)...)
	}
	files["backends/cpu/chart/unifont"] = licenceFiles(t, "../backends/cpu/chart/unifont", true) // of what is copied here
	if len(files) < 8 {
		t.Fatalf("only %d modules are linked:\n%s", len(files), out)
	}
	var lines []string
	for module, paths := range files {
		slices.Sort(paths)
		var found []string
		for _, p := range slices.Compact(paths) {
			text, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			name, allowed := licenceOf(string(text))
			if !allowed {
				t.Errorf("%s has the licence %s (%s), which is not permissive", module, name, p)
			}
			found = append(found, name)
		}
		if len(found) == 0 {
			t.Errorf("%s has no licence", module)
		}
		slices.Sort(found)
		lines = append(lines, fmt.Sprintf("%s: %s\n", module, strings.Join(slices.Compact(found), ", ")))
	}
	slices.Sort(lines)
	compareGolden(t, "licences.txt", []byte("# Written by go test ./golden -update: the modules that incc links, and their licences.\n"+strings.Join(lines, "")))
}

// licenceFiles are the licence files in a folder, and with below in the folders of data
// below it, such as fonts that a package embeds.
func licenceFiles(t *testing.T, dir string, below bool) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			goFiles, _ := filepath.Glob(filepath.Join(p, "*.go"))
			if p != dir && (!below || len(goFiles) > 0 || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		name := strings.ToUpper(d.Name())
		for _, prefix := range []string{"LICENSE", "LICENCE", "COPYING", "OFL", "UNLICENSE"} {
			if strings.HasPrefix(name, prefix) && filepath.Ext(name) != ".GO" {
				paths = append(paths, p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestLicenceOf recognizes what must be refused.
func TestLicenceOf(t *testing.T) {
	for text, want := range map[string]string{
		"The contents of this repository are licensed under the Creative Commons Attribution 4.0": "Creative Commons",
		"GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007":                                     "GPL",
		"GNU Lesser General\n Public License Version 2.1":                                         "LGPL",
		"All rights reserved.": "unknown",
	} {
		if name, allowed := licenceOf(text); name != want || allowed {
			t.Errorf("%q is %s, allowed: %v; want %s, refused", text, name, allowed, want)
		}
	}
}
