// Package files reads and writes files whose paths come from users or from other files.
// Reading accepts only regular files: it never waits for a pipe or device, and it checks
// the size of a file before it allocates memory for it. Writing never leaves a file half
// written, if the file system allows it.
package files
