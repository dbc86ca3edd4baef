package kernel

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestOpsAVX2UsesNoAVX512: neither the registers nor the masks.
func TestOpsAVX2UsesNoAVX512(t *testing.T) {
	src, err := os.ReadFile("vec_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	wide := regexp.MustCompile(`\b(Z[0-9]+|K[0-7]|[XY](1[6-9]|2[0-9]|3[01]))\b`)
	n := 0
	for _, f := range strings.Split(string(src), "\nTEXT ")[1:] {
		name, body, _ := strings.Cut(f, "(SB)")
		if strings.HasSuffix(name, "256") {
			n++
			if m := wide.FindString(body); m != "" {
				t.Errorf("%s uses %s", name, m)
			}
			if !strings.Contains(body, "VZEROUPPER\n\tRET") {
				t.Errorf("%s does not end in VZEROUPPER", name)
			}
		}
	}
	if n < 40 {
		t.Errorf("%d functions found", n)
	}
}

// TestEveryPrimitiveHasAssembly wherever the tiers are there. NEON lacks what reads by index.
func TestEveryPrimitiveHasAssembly(t *testing.T) {
	portable := reflect.ValueOf(vecTable[Portable])
	for _, isa := range Available()[1:] {
		v := reflect.ValueOf(vecTable[isa])
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			missing := isa == NEON && (name == "maxout" || name == "maxoutBackward" || name == "transpose")
			if f := v.Field(i); (f.IsNil() || f.Pointer() == portable.Field(i).Pointer()) != missing {
				t.Errorf("%v: %s is portable Go: %v, want %v", isa, name, !missing, missing)
			}
		}
	}
}
