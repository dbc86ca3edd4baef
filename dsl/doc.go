// Package dsl reads and writes the incc language.
package dsl
