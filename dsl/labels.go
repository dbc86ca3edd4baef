package dsl

import (
	_ "embed"
	"strings"
)

// The classes of ILSVRC 2012 in the order that published models have them: for
// each synset its first WordNet lemma; the three lemmas that would occur twice have
// different names here.
//
//go:embed imagenet1k.txt
var imagenet1kText string

func imagenet1k() []string { return strings.Split(strings.TrimSpace(imagenet1kText), "\n") }
