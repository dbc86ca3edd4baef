package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
)

func TestFresh(t *testing.T) {
	want, err := grammar()
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../../" + file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is old: go run ./dsl/editors/generate", file)
	}
}

// TestManifest reads the files that editors read: the extension names the grammar and the
// language, and its version of the client is pinned to a major version.
func TestManifest(t *testing.T) {
	for _, name := range []string{"package.json", "language-configuration.json"} {
		b, err := os.ReadFile("../vscode/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "package.json" && (!strings.Contains(string(b), "./syntaxes/incc.tmLanguage.json") || !strings.Contains(string(b), `"vscode-languageclient": "^`)) {
			t.Errorf("%s names no grammar or no client", name)
		}
	}
	var names []string
	for _, e := range dsl.Ops() {
		names = append(names, e.Name)
	}
	if !slices.Contains(names, "inception") || !slices.Contains(names, "conv") {
		t.Errorf("ops %q", names)
	}
}
