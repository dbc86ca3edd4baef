package dsl

import (
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/specs"
)

// published lists the exact counts of the networks: trained parameters without and with
// heads, multiply-accumulates, statistics of batch normalization without and with heads,
// receptive field. A 0 is not checked.
var published = map[string]struct{ params, heads, macs, headMACs, stats, headStats, rf int64 }{
	"googlenet":           {6_998_552, 13_378_280, 1_582_671_872, 8_372_224, 0, 0, 715},
	"googlenet_bn":        {6_624_904, 13_004_888, 1_498_376_192, 0, 14_560, 15_072, 379},
	"inception_v2":        {11_295_240, 0, 2_032_600_064, 0, 20_032, 0, 699},
	"inception_v3":        {23_834_568, 27_161_264, 5_713_216_096, 5_683_200, 34_432, 36_224, 1311},
	"inception_v4":        {42_679_816, 0, 12_253_974_624, 0, 63_168, 0, 2071},
	"inception_resnet_v2": {55_843_464, 0, 13_155_794_016, 0, 60_544, 0, 3039},
	"nin_cifar10":         {966_986, 0, 222_486_528, 0, 0, 0, 27},
	"nin_mnist":           {349_674, 0, 50_699_712, 0, 0, 0, 35},
	"maxout_mnist_pi":     {1_233_610, 0, 1_231_200, 0, 0, 0, 0},
	"maxout_cifar10":      {16_247_830, 0, 732_290_696, 0, 0, 0, 51},
	"lenet5":              {44_426, 0, 281_640, 0, 0, 0, 16},
	"vgg16":               {138_357_544, 0, 15_470_264_320, 0, 0, 0, 212},
	"mnist/lenet":         {45_278, 0, 361_640, 0, 0, 0, 0},
	"mnist/nin":           {108_982, 0, 989_352, 0, 0, 0, 0},
	"mnist/nin_listed":    {1_617_930, 0, 1_952_104, 0, 0, 0, 0},
	"mnist/conv":          {450_730, 0, 3_265_400, 0, 0, 0, 0},
	"mnist/inception_v1":  {447_738, 0, 1_791_480, 0, 0, 0, 0},
	"mnist/inception_v2":  {447_522, 0, 1_681_720, 0, 0, 0, 0},
	"mnist/inception_v3":  {447_178, 0, 1_509_240, 0, 0, 0, 0},
}

// TestSpecs builds every built-in network and compares its counts with the
// published ones.
func TestSpecs(t *testing.T) {
	seen := 0
	for _, name := range specs.Names() {
		t.Run(name, func(t *testing.T) {
			src, file, _ := specs.Source(name)
			g, diags := Load(file, src, Options{})
			if len(diags) > 0 {
				t.Fatal(show(file, src, diags))
			}
			if err := ir.Verify(g); err != nil {
				t.Fatal(err)
			}
			want, ok := published[name]
			if !ok {
				return
			}
			seen++
			s := ir.Summarize(g)
			for _, c := range []struct {
				what      string
				got, want int64
			}{
				{"params", s.Params, want.params}, {"params with heads", s.Params + s.HeadParams, want.heads},
				{"MACs", s.MACs, want.macs}, {"MACs of heads", s.HeadMACs, want.headMACs},
				{"BN statistics", s.States, want.stats}, {"BN statistics with heads", s.States + s.HeadStates, want.headStats},
				{"receptive field", int64(max(s.RF[0], s.RF[1])), want.rf},
			} {
				if c.want != 0 && c.got != c.want {
					t.Errorf("%s: %d, published %d", c.what, c.got, c.want)
				}
			}
		})
	}
	if seen != len(published) {
		t.Errorf("%d networks have published counts, %d were built", len(published), seen)
	}
}
