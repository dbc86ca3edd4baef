package dsl

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/specs"
)

// TestResolve writes the settings of all training flags into every built-in network. The new
// text must describe the same network with these settings, and resolving it again must not
// change it.
func TestResolve(t *testing.T) {
	for _, name := range specs.Names() {
		src, file, _ := specs.Source(name)
		was, l := Load(file, src, Options{})
		if l.HasErrors() {
			t.Fatal(l)
		}
		var want recipe.Train
		if was.Recipe.Train != nil {
			want = *was.Recipe.Train
		}
		if want.Optimizer.Kind == "" {
			want.Optimizer = recipe.Optimizer{Kind: "sgd", Momentum: 0.5}
		}
		want.Optimizer.LR, want.Run.Batch, want.Run.Epochs, want.Run.Seed = 0.03125, 17, 2.5, 9
		text, err := Resolve(file, src, Options{}, want)
		if err != nil {
			t.Fatal(err)
		}
		is, l := Load(file, text, Options{})
		if l.HasErrors() {
			t.Fatal(l)
		}
		if !reflect.DeepEqual(*is.Recipe.Train, want) {
			t.Errorf("%s: %+v\n%+v\n%s", name, *is.Recipe.Train, want, text)
		}
		is.Recipe, was.Recipe = &recipe.Recipe{}, &recipe.Recipe{}
		if !bytes.Equal(Print(is), Print(was)) {
			t.Errorf("%s is another network now", name)
		}
		again, err := Resolve(file, text, Options{}, want)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%s resolved twice: %v\n%s", name, err, again)
		}
		if a, b := bytes.Count(src, []byte("#")), bytes.Count(text, []byte("#")); a != b {
			t.Errorf("%s: %d of %d comments", name, b, a)
		}
	}
}

// TestResolveFreeze replaces statements about parts.
func TestResolveFreeze(t *testing.T) {
	const head = "net a\ninput x 1x4x4\n\na: fc 3\nb: fc 3\nc: fc 3\n"
	for _, c := range []struct {
		text, want string
		freeze     []recipe.Freeze
	}{
		{head, head + "\ntrain {\n  freeze a\n}\n", []recipe.Freeze{{Parts: []string{"a"}}}},
		{head + "\ntrain {\n  sgd lr=1\n  freeze a until=2  # first\n  freeze \"b/fc\"\n}\n", head + "\ntrain {\n  sgd lr=1\n  # first\n\n  freeze \"a/fc\" b until=3\n}\n", []recipe.Freeze{{Parts: []string{"a/fc", "b"}, Until: 3}}},
		{head + "\ntrain {\n  freeze a\n  sgd lr=1\n}\n", head + "\ntrain {\n  sgd lr=1\n}\n", nil},
		{head + "\ntrain { freeze a; sgd lr=1 }\n", head + "\ntrain { sgd lr=1 }\n", nil},
	} {
		g, l := Load("a.incc", []byte(c.text), Options{})
		if l.HasErrors() {
			t.Fatal(l)
		}
		var want recipe.Train
		if g.Recipe.Train != nil {
			want = *g.Recipe.Train
		}
		want.Freeze = c.freeze
		got, err := Resolve("a.incc", []byte(c.text), Options{}, want)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		blank := func(s string) string { return strings.ReplaceAll(s, "\n\n", "\n") }
		if blank(string(got)) != blank(c.want) {
			t.Errorf("%s\n--- became\n%s\n--- want\n%s", c.text, got, c.want)
		}
	}
}

func TestResolveTexts(t *testing.T) {
	want := recipe.Train{Optimizer: recipe.Optimizer{Kind: "sgd", LR: 0.5, Momentum: 0.9}, Run: recipe.Run{Batch: 8, Epochs: 3, Seed: 4}}
	const head = "net a\ninput x 1x4x4\nlet n = 3  # of classes\n\no: fc n\n"
	for _, c := range []struct {
		why, text, want string
		defines         map[string]string
	}{
		{"nothing said of training", head, head + "\ntrain {\n  sgd lr=0.5 momentum=0.9\n  run batch=8 epochs=3 seed=4\n}\n", nil},
		{"all said as it is wanted, in a layout of its own", head + "train { sgd   lr=0.5 momentum=0.9 ; run seed=4 batch=8 epochs=3 }", head + "train { sgd   lr=0.5 momentum=0.9 ; run seed=4 batch=8 epochs=3 }", nil},
		{"on one line", head + "train { sgd lr=1 }", head + "\ntrain {\n  sgd lr=0.5 momentum=0.9\n  run batch=8 epochs=3 seed=4\n}\n", nil},
		{"through lets", "let rate = 2\n" + "train {\n  sgd momentum=0.9 lr=rate  # ours\n  run epochs=3 batch=1\n}\n",
			"let rate = 2\ntrain {\n  sgd momentum=0.9 lr=0.5  # ours\n  run epochs=3 batch=8 seed=4\n}\n", nil},
		{"lets by -D", head + "train {\n  sgd lr=0.5 momentum=0.9\n  run batch=8 epochs=3 seed=4\n}\n",
			strings.Replace(head, "3", "10", 1) + "train {\n  sgd lr=0.5 momentum=0.9\n  run batch=8 epochs=3 seed=4\n}\n", map[string]string{"n": "10"}},
	} {
		if strings.HasPrefix(c.text, "let") {
			c.text, c.want = head+c.text, head+c.want
		}
		got, err := Resolve("a.incc", []byte(c.text), Options{Defines: c.defines}, want)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		// The formatter may change blank lines.
		if strings.ReplaceAll(string(got), "\n\n", "\n") != strings.ReplaceAll(c.want, "\n\n", "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", c.why, got, c.want)
		}
	}
	for _, labels := range []string{`labels mnist`, "labels {\n  \"a\"\n  \"b\" \"c\"\n}", `labels "abc.txt"`} {
		text := "net a\ninput x 1x4x4\nlet n = 3\n" + labels + "  # of these\no: fc n\n"
		read := func(string) ([]byte, error) { return []byte("a\nb\nc\n"), nil }
		if labels == "labels mnist" {
			text = strings.Replace(text, "n = 3", "n = 10", 1)
		}
		got, err := Resolve("a.incc", []byte(text), Options{Defines: map[string]string{"n": "7"}, ReadFile: read}, want)
		if err != nil || strings.Contains(string(got), "labels") || !strings.Contains(string(got), "# of these") {
			t.Errorf("%s\n%v\n%s", text, err, got)
		}
	}
	if _, err := Resolve("a.incc", []byte("net a\ninput x 1x4x4\nlet m = 2\nlet n = 3\no: fc n\n"), Options{Defines: map[string]string{"n": "m"}}, want); err == nil {
		t.Error("a word that is a let in the text passed")
	}
	if _, err := Resolve("a.incc", []byte("net a\n"), Options{}, want); err == nil || !strings.Contains(err.Error(), "a.incc") {
		t.Error(err)
	}
}

// TestAddLabels: the statement is in its place, the names are read again as they
// were, and the network and the comments stay.
func TestAddLabels(t *testing.T) {
	many := strings.Fields(strings.Repeat("Staffordshire-Bullterrier ", 30))
	for _, c := range []struct {
		text, want string
		names      []string
	}{
		{"net a\ninput x 1x4x4\nfc 2\n", "net a\ninput x 1x4x4\nlabels { \"cat\" \"dog\" }\nfc 2\n", []string{"cat", "dog"}},
		{"net a\ninput x 1x4x4 range=0..1  # pixels\n\nfc 2", "net a\ninput x 1x4x4 range=0..1  # pixels\nlabels { \"a\\\"b\\\\\" \"É 中\" }\n\nfc 2\n", []string{`a"b\`, "É 中"}},
		{"net a; input x 1x4x4 range=0..1 ; fc 2", "", []string{"cat", "dog"}},
		{"net a\ninput x 1x4x4; fc 30", "", many},
		{"flat", "", []string{"cat", "dog"}},
		{"flat with an input statement", "", []string{"cat", "dog"}},
	} {
		if strings.HasPrefix(c.text, "flat") {
			statement := ""
			if c.text != "flat" {
				statement = " range=0..1"
			}
			g, l := Load("a.incc", []byte("net a\ninput x 1x4x4"+statement+"\nfc 2\n"), Options{})
			if l.HasErrors() {
				t.Fatal(l)
			}
			c.text = string(Print(g))
		}
		was, l := Load("a.incc", []byte(c.text), Options{})
		if l.HasErrors() {
			t.Fatal(l)
		}
		got, err := AddLabels("a.incc", []byte(c.text), c.names)
		if err != nil || c.want != "" && string(got) != c.want {
			t.Errorf("%q becomes\n%s\nwant\n%s%v", c.text, got, c.want, err)
			continue
		}
		is, l := Load("a.incc", got, Options{})
		if l.HasErrors() || is.Recipe.Labels == nil || !reflect.DeepEqual(is.Recipe.Labels.Names, c.names) {
			t.Errorf("%s\n%v", got, l)
			continue
		}
		for line := range strings.Lines(string(got)) {
			if len(line) > 105 {
				t.Errorf("a line of %d characters", len(line))
			}
		}
		is.Recipe, was.Recipe = &recipe.Recipe{}, &recipe.Recipe{}
		if !bytes.Equal(Print(is), Print(was)) {
			t.Errorf("another network now:\n%s", got)
		}
	}
}
