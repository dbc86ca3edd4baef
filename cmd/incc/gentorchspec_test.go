package main

import (
	"bytes"
	"flag"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/specs"
)

// TestRunSpecTemplate: for built-in networks (INCC_LONG=1: all), and for texts in which the places of
// variables are hard to find, the template with the numbers of the recipe in it is a spec of
// the same network and recipe.
func TestRunSpecTemplate(t *testing.T) {
	texts := map[string]string{
		"none":  "net a\ninput image 1x8x8\nfc 3 -> softmax\n",
		"lets":  "net a\n# ${lr} $lr $ lr=0.5 batch=31416 31417\nlet n = 4\ninput image 1x8x8; let m = 8 # epochs\nfc n -> softmax; train { adamw lr=1e-5 decay=0.1 # lr=1\nrun batch=m seed=-5 }\n",
		"class": "net a\ninput image 1x8x8\nlabels { \"class\" \"$b\" }\nfc 2 -> softmax\ntrain { run epochs=0.5 }\n",
	}
	for _, name := range specs.Names() {
		if !longtest.Enabled() && !strings.HasPrefix(name, "mnist/") {
			continue
		}
		text, _, _ := specs.Source(name)
		texts[name] = string(text)
	}
	c := cli.NewContext(cli.NewApp(), flag.NewFlagSet("", flag.ContinueOnError), nil)
	for name, text := range texts {
		g, problems := dsl.Load(name, []byte(text), dsl.Options{Hollow: true})
		if problems.HasErrors() {
			t.Fatal(problems.Err())
		}
		r := recipeOf(g)
		template, _, err := runSpecTemplate(c, &source{file: name, text: []byte(text)}, r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		labels := "labels {"
		for i := range g.Outputs[0].Type.Shape.Size() {
			labels += " " + strconv.Quote("c"+strconv.Itoa(i))
		}
		if has := strings.Contains(string(template), "${labels}"); has != (g.Recipe.Labels == nil) {
			t.Errorf("%s: a place for names of classes: %v", name, has)
		}
		for _, labels := range []string{"", labels + " }"} {
			h, problems := dsl.Load(name, filled(template, r, labels), dsl.Options{Hollow: true})
			if problems.HasErrors() {
				t.Errorf("%s: %v\n%s", name, problems.Err(), template)
				continue
			}
			if !reflect.DeepEqual(recipeOf(h), r) {
				t.Errorf("%s: the recipe is %+v, want %+v", name, recipeOf(h), r)
			}
			g.Recipe, h.Recipe = &recipe.Recipe{}, &recipe.Recipe{}
			if !bytes.Equal(dsl.Print(h), dsl.Print(g)) {
				t.Errorf("%s: another network", name)
			}
		}
	}
}

// filled puts values into a template as train.py does.
func filled(text []byte, r recipe.Train, labels string) []byte {
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	return []byte(strings.NewReplacer("$$", "$", "${seed}", strconv.FormatInt(r.Run.Seed, 10), "${batch}", strconv.Itoa(r.Run.Batch),
		"${epochs}", number(r.Run.Epochs), "${lr}", number(r.Optimizer.LR), "${labels}", labels).Replace(string(text)))
}
