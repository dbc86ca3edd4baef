//go:build !unix

package files

const openNoWait = 0
