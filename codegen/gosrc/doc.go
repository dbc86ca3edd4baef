// Package gosrc generates a Go package that runs a network and needs nothing but the
// standard library. The package contains the plan as Go code with one function for each
// labelled part of the spec, the packing of the weights, an API whose documentation names
// shapes, units and preprocessing, and a copy of the run time (package kernel).
//
// # Which weights a package reads
//
// The steps of a plan need weights as the passes leave them: with batch norms folded in and
// siblings concatenated. A file of weights, such as training writes, has the names and shapes
// of the spec. So the passes run on a graph without weights. Then they leave expressions over
// the spec's weights, and the generated package evaluates these when it reads a file. Like
// const-fold, it computes in float64 and rounds once, so the weights have the same bits. Load
// reads any file that has the weights of the spec, and ignores other tensors in it, such as
// those of auxiliary heads or an optimizer. There is one exception: factorize=svd needs the
// weights. Afterwards the network has other layers, whose weights have other names.
//
// # What can get into the output
//
// Text from the user is printed by strconv.QuoteToASCII; in comments, characters that are not
// printable are escaped. Identifiers contain only ASCII letters and digits of it. Generated
// files are parsed, and their declarations are compared with those that were planned. The
// same input gives the same bytes on every platform: the output contains no time and no
// absolute path, and does not depend on the order of a map. The names of the files do not
// act as build constraints.
//
// # Several inputs and outputs
//
// The API of most packages is for one input and one output, for any number of images: Infer has
// a slice for each. All other networks get the structs Inputs and Outputs, with a field for each
// input and output (ports.go): those with several of them, those whose sizes are fixed, and
// detectors, whose boxes are counted only at run time. Their Infer takes any number of images,
// unless an output is computed from all images together. The outputs are written into slices of
// the caller, whose memory is used again. Such a package has no trainer and no command.
//
// # The server of --main
//
// The command of a package can serve HTTP. Its files are those of package snippet/server, where
// they are tested; a package with ImportRuntime has copies of them, too. The server decodes
// pictures of several requests at the same time and computes them together, as many as the plan
// takes at once (Plan.Batch). With 32 clients on the same two processors (AMD EPYC, AVX-512, not
// idle, medians of 7 turns of each side) it answers 4,029 requests a second for
// mnist/inception_v1 and 125 for googlenet, both with --batch 16; with -batch 1, which computes
// each picture alone with the same plan, 1,976 and 88: 2.0 and 1.3 times as many. Measure it:
//
//	go test ./golden -run '^$' -bench Serving -benchtime 10x
//
// A plan for many images takes longer for one: with --batch 1, mnist/inception_v1 answers a lone
// client in less than half the time. So --batch is 1 unless the user says otherwise.
//
// # What of the run time a package carries
//
// A package has a copy of what it needs of the run time: package kernel and the packages that it
// imports, as one package. The copy holds the declarations and the functions of assembly that the
// package's own files reach (closure.go): no training code for an inference, no assembly of
// kernels that the plan does not have. A copy that several packages share holds what all of them
// reach. A package may also have no copy and import incc's packages (ImportRuntime).
package gosrc
