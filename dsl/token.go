package dsl

// tokenKind is the kind of a token.
type tokenKind uint8

const (
	tEOF     tokenKind = iota
	tNewline           // end of a line that holds tokens or a comment, or is blank
	tComment           // # to the end of the line
	tWord              // letters, digits, _ . / and the signs of numbers
	tString            // "…"
	tArrow             // ->
	tOpen              // {
	tClose             // }
	tEq                // =
	tColon             // :
	tSemi              // ;
	tComma             // ,
	tBad               // something that the scanner has already reported
)

func (k tokenKind) String() string {
	return [...]string{"the end of the file", "the end of the line", "a comment", "a word", "a string", "->", "{", "}", "=", ":", ";", ",", "an unreadable character"}[k]
}

// token has 12 bytes because a file may hold a million of them. Lines and columns are
// computed from the offsets.
type token struct {
	off, end int32
	kind     tokenKind
}

// role tells the formatter which part of the grammar a token is, if its kind does not say
// it. The parser sets it.
type role uint8

const (
	rNone     role = iota
	rSpacedEq      // the = of let, block, assignments and marks, with blanks on both sides
	rLabel         // the word of a label
	rCall          // the name of a call, of an op in an assignment
	rArg           // the first token of an argument
	rOut           // the first token of an assignment
)
