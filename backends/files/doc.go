// Package files opens files whose paths come from outside of the program. What is
// not a regular file is refused without waiting for it, and the size of a file is
// known and bounded before any of it is read.
package files
