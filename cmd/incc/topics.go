package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/data"
)

// topics are the pages that incc explain has beside those about the language. The
// first line of a page says what it is about.
var topics = map[string]func() string{
	"compress": explainCompress,
	"data":     explainData,
	"quantize": explainQuantize,
	"serve":    explainServe,
	"torch":    explainTorch,
	"triton":   explainTriton,
	"weights":  explainWeights,
}

// topicNames are other words for a topic.
var topicNames = map[string]string{"validation": "data", "val": "data", "predict": "data", "pytorch": "weights", "torchrun": "torch", "onnx": "weights", "map": "weights",
	"server": "serve", "docker": "serve", "kubernetes": "serve",
	"quantization": "quantize", "int8": "quantize", "qat": "quantize",
	"tucker": "compress", "pruning": "compress", "prune": "compress", "low-rank": "compress", "finetune": "compress"}

// listTopics lists the pages of topics with their first lines.
func listTopics() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		about, _, _ := strings.Cut(topics[name](), "\n")
		fmt.Fprintf(&b, "  %-8s %s\n", name, about)
	}
	return b.String()
}

// explainData is the page about data sets.
func explainData() string {
	return `data sets and pictures that incc train, eval, predict and data inspect read

` + explainLayouts() + explainFormats()
}

// explainFormats is the part about the files of pictures.
func explainFormats() string {
	return `Pictures

incc train, eval, run, predict and data inspect read pictures in the formats
` + data.Formats + `.
The format is told by the first bytes of a file, not by its name. A program
that incc gen go --main writes needs only Go's standard library, and reads
PNG, JPEG and GIF.

  PNG   1 to 16 bits, grey, colours, palette, opacity, interlaced
  JPEG  baseline and progressive; grey, YCbCr, RGB, CMYK and YCCK
  GIF   the first frame
  BMP   1, 2, 4, 8, 24 and 32 bits, without compression
  TIFF  the first page; 1, 8 and 16 bits; grey, RGB, palette; LZW, Deflate,
        PackBits, CCITT groups 3 and 4; not CMYK, not JPEG inside
  WebP  lossy and lossless, opacity; the first frame

A picture is turned and mirrored as its EXIF orientation says. 16 bits become
8. Opacity is dropped: a pixel keeps its colour, and one that is fully
transparent is black. Colour profiles are not applied. A network with one
channel gets grey as ITU-R 601 has it, 0.299 red + 0.587 green + 0.114 blue.

A picture may have 67,108,864 pixels, 65,535 on a side, and its file 64 MiB.
Decoding may take 224 MiB of memory, and 8 bytes more for each byte of the
file. What takes more is an error that says so.
`
}
