// Package golden tests the parts of incc together, and compares their output with files
// in this folder: the graphs of small networks, summaries and hashes of large ones, what
// each pass does, and generated packages. It also checks which package may import which.
// To write the files anew, run
//
//	go test ./golden -update
//
// and read what changed before you commit it. README.md in the folder experiments shows
// training results:
// https://github.com/incc-lang/incc/blob/main/golden/experiments/README.md
package golden
