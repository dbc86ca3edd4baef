package dsl

// A spec is data: whatever it holds, reading it ends soon and in bounded
// memory, with a result or an error that names the limit.
const (
	// MaxFile is the size of a net. The largest spec of the family is 4 KB.
	MaxFile = 1 << 20

	// MaxGraphFile is the size of a flat graph, which names every weight and
	// update: a training graph of Inception-ResNet v2 has about a megabyte.
	MaxGraphFile = 8 << 20

	// MaxTokens is how many words and signs a net has, and MaxGraphTokens a
	// graph. They bound the tree, whose nodes cost a hundred times the bytes of
	// the shortest words; a text of ordinary words meets its size first.
	MaxTokens      = 1 << 18
	MaxGraphTokens = 1 << 20

	// MaxNesting is how deep braces nest. The parser recurses once a brace, and
	// a Go stack that overflows cannot be recovered.
	MaxNesting = 256

	// MaxName is the length of a name in bytes.
	MaxName = 128

	// MaxPath is the length of a value's name in a graph, a path of names.
	MaxPath = 1024

	// MaxProblems is how many problems of one file are told.
	MaxProblems = 500

	// MaxParams is how many parameters a block has: every use binds all of them.
	MaxParams = 64

	// MaxNodes is how many layers a spec may expand to, and how many nodes.
	MaxNodes = 100_000

	// maxSide bounds a literal's sides, so that an int holds them on every
	// machine; what a tensor may have is for the ops to say.
	maxSide = 1<<31 - 1
)
