// Package golden holds what the compiler is held to: the text of small networks,
// the summaries and hashes of large ones, what each pass does, what generated
// packages look like, and who may import whom. Run
//
//	go test ./golden -update
//
// to write the files anew, and read what changed before it is committed.
package golden
