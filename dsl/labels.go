package dsl

import (
	_ "embed"
	"strings"
)

// The classes of ILSVRC 2012, in the order of the outputs of published models. The name
// of a class is the first WordNet lemma of its synset. Three lemmas would occur twice;
// those classes have other names here.
//
//go:embed imagenet1k.txt
var imagenet1kText string

func imagenet1k() []string { return strings.Split(strings.TrimSpace(imagenet1kText), "\n") }
