package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"incc": main,
	})
}

// TestScripts runs testdata/script/*.txtar, each in a directory of its own, with
// incc as a user would call it. -update writes what commands printed into the
// files.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("INCC_UPDATE") != "",
	})
}
