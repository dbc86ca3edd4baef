package cpu

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"reflect"
	"strings"
	"testing"

	"github.com/incc-lang/incc/codegen/plan"
)

// TestKernelsPrintAsGo prints every kernel of some plans: a generator writes that
// very text into a program.
func TestKernelsPrintAsGo(t *testing.T) {
	var plans []*plan.Plan
	for _, name := range []string{"googlenet", "inception_v3", "maxout_cifar10"} {
		p, err := Plan(load(t, name, 2), Options{})
		if err != nil {
			t.Fatal(err)
		}
		q, err := Plan(loadTraining(t, name), Options{Batch: 2})
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, p, q)
	}
	for _, p := range plans {
		for _, s := range p.Steps {
			text := fmt.Sprintf("%#v", s.Do)
			if _, err := parser.ParseExpr(text); err != nil || !strings.HasPrefix(text, "kernel.") {
				t.Errorf("%s: %s: not an expression of Go's: %v", p.Name, text, err)
			}
			if !reflect.TypeOf(s.Do).Comparable() {
				t.Errorf("%s: %T is not comparable", p.Name, s.Do)
			}
		}
		for _, s := range p.State {
			if text := fmt.Sprintf("%#v", s.By); s.By != nil && !strings.HasPrefix(text, "kernel.") {
				t.Errorf("%s: %s is packed by %s", p.Name, s.Name, text)
			}
		}
		if _, err := json.Marshal(p); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

// TestPlansAreDeterministic plans networks twice, from graphs built twice.
func TestPlansAreDeterministic(t *testing.T) {
	for _, name := range []string{"googlenet", "mnist/inception_v1"} {
		var texts [2]string
		for i := range texts {
			p, err := Plan(load(t, name, 2), Options{Batch: 2, KeepParts: true})
			if err != nil {
				t.Fatal(err)
			}
			q, err := Plan(loadTraining(t, name), Options{Batch: 2})
			if err != nil {
				t.Fatal(err)
			}
			texts[i] = fmt.Sprintf("%#v\n%#v", p, q)
		}
		if texts[0] != texts[1] {
			t.Errorf("%s: two plans differ", name)
		}
	}
}
