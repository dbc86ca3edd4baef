package dsl

// These limits bound the time and memory that reading any text can take. A text that
// exceeds one gets an error that names the limit.
const (
	// MaxFile is the largest size of a net in bytes. The largest built-in spec has about
	// 4 KB.
	MaxFile = 1 << 20

	// MaxGraphFile is the largest size of a flat graph in bytes. A graph names every
	// weight and update: a training graph of Inception-ResNet v2 has about a megabyte.
	MaxGraphFile = 8 << 20

	// MaxTokens is the largest number of words and signs in a net, MaxGraphTokens in a
	// graph. They bound the memory of the syntax tree, which has about a hundred times
	// as many bytes as the shortest words. A text of ordinary words reaches the limit on
	// its size first.
	MaxTokens      = 1 << 18
	MaxGraphTokens = 1 << 20

	// MaxNesting is how deep braces may nest. The parser recurses for every brace, and a
	// program cannot recover from a stack overflow.
	MaxNesting = 256

	// MaxName is the greatest length of a name in bytes.
	MaxName = 128

	// MaxPath is the greatest length in bytes of a value's name in a graph, which is a
	// path of names.
	MaxPath = 1024

	// MaxProblems is how many problems of one file are reported.
	MaxProblems = 500

	// MaxParams is how many parameters a block may have. Every use of a block takes time
	// for all of them.
	MaxParams = 64

	// MaxNodes is how many layers a net may expand to, and how many nodes a graph may
	// have.
	MaxNodes = 100_000

	// maxSide is the largest side in a literal, so that an int can hold it on every
	// machine. The ops have smaller limits for tensors.
	maxSide = 1<<31 - 1
)
