package golden

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/specs"
)

var countsLine = regexp.MustCompile(`(?m)^# Counts: (.*)$`)

// TestCounts compares every built-in network with the counts in the comment at its top, which
// are those of the published tables.
func TestCounts(t *testing.T) {
	names := specs.Names()
	if len(names) < 25 {
		t.Fatalf("only %d specs are embedded", len(names))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			text, file, _ := specs.Source(name)
			m := countsLine.FindSubmatch(text)
			if m == nil {
				t.Fatalf("%s has no line \"# Counts: …\" in its header", file)
			}
			g, problems := dsl.Load(file, text, dsl.Options{})
			if err := problems.Err(); err != nil {
				t.Fatal(err)
			}
			s := ir.Summarize(g)
			want := parseCounts(t, string(m[1]))
			last := ""
			for _, k := range want.keys {
				got, ok := int64(0), true
				switch k {
				case "params":
					got = s.Params
				case "MACs":
					got = s.MACs
				case "BN statistics":
					got = s.States
				case "receptive field":
					got = int64(s.RF[0])
					if s.RF[0] != s.RF[1] {
						t.Errorf("receptive field is %v", s.RF)
					}
				case "with heads":
					switch last {
					case "params":
						got = s.Params + s.HeadParams
					case "BN statistics":
						got = s.States + s.HeadStates
					default:
						ok = false
					}
				default:
					ok = false
				}
				if !ok {
					t.Errorf("header has a count called %q", k)
				} else if got != want.values[0] {
					t.Errorf("%s %s: %d, the header says %d", last, k, got, want.values[0])
				}
				want.values = want.values[1:]
				last = k
			}
			// A count that the comment leaves out must be zero.
			if s.States != 0 && !strings.Contains(string(m[1]), "BN statistics") {
				t.Errorf("%d BN statistics, which the header does not mention", s.States)
			}
			if s.HeadParams != 0 && !strings.Contains(string(m[1]), "with heads") {
				t.Errorf("%d parameters in heads, which the header does not mention", s.HeadParams)
			}
		})
	}
}

type counts struct {
	keys   []string
	values []int64
}

func parseCounts(t *testing.T, text string) counts {
	var c counts
	for _, item := range strings.Split(text, ";") {
		item = strings.TrimSpace(item)
		i := strings.LastIndex(item, " ")
		if i < 0 {
			t.Fatalf("count %q", item)
		}
		v, err := strconv.ParseInt(strings.ReplaceAll(item[i+1:], ",", ""), 10, 64)
		if err != nil {
			t.Fatalf("count %q: %v", item, err)
		}
		c.keys, c.values = append(c.keys, item[:i]), append(c.values, v)
	}
	return c
}
