package kernel

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestOpsAreFresh runs the generator of vec_amd64.s and compares.
func TestOpsAreFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	if out, err := exec.Command("go", "-C", "_asm/vec", "mod", "download").CombinedOutput(); err != nil {
		t.Skipf("the generator's modules are not to be had here: %v\n%s", err, out)
	}
	dir := t.TempDir()
	cmd := exec.Command("go", "-C", "_asm/vec", "run", ".", "-out", filepath.Join(dir, "vec_amd64.s"), "-stubs", filepath.Join(dir, "vec_amd64.go"), "-pkg", "kernel")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, f := range []string{"vec_amd64.s", "vec_amd64.go"} {
		want, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		// The first line holds the command, and so the directory.
		_, want, _ = bytes.Cut(want, []byte("\n"))
		_, got, _ = bytes.Cut(got, []byte("\n"))
		if !bytes.Equal(want, got) {
			t.Errorf("%s is stale: go generate ./backends/cpu/kernel", f)
		}
	}
}

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
		if strings.HasSuffix(name, "AVX2") {
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

// TestEveryPrimitiveHasAssembly wherever the tiers are there. NEON has none yet.
func TestEveryPrimitiveHasAssembly(t *testing.T) {
	portable := reflect.ValueOf(vecTable[Portable])
	for _, isa := range Available()[1:] {
		if isa == NEON {
			continue
		}
		v := reflect.ValueOf(vecTable[isa])
		for i := range v.NumField() {
			if f := v.Field(i); f.IsNil() || f.Pointer() == portable.Field(i).Pointer() {
				t.Errorf("%v: %s is portable Go", isa, v.Type().Field(i).Name)
			}
		}
	}
}
