package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/incc-lang/incc/codegen/plan"
)

// timmNets are networks of timm that are in no other table, each of another family.
var timmNets = []string{
	"resnet18d", "seresnet50", "res2net50_26w_4s", "hrnet_w18_small", "dla34", "cspdarknet53", "repvgg_a0",
	"ghostnet_100", "hardcorenas_a", "efficientnet_lite0",
}

// timm compares networks of timm as PyTorch exports them with ONNX Runtime and OpenVINO, and says
// on which kernels incc's time goes.
func (r *report) timm() error {
	t := &table{head: []string{"network", "ONNX Runtime: times faster (95 %)", "OpenVINO: times faster (95 %)", "incc, ms", "ONNX Runtime, ms", "OpenVINO, ms", "outputs differ by", "incc's time by kernel"}}
	for _, name := range timmNets {
		r.row("timm", name, func() error {
			path, err := r.importedModel(filepath.Join(r.timmModels, name, "model.onnx"), "timm_models.py", r.timmModels, name)
			if err != nil {
				return err
			}
			return r.importedRow(t, name, path, r.byKernel)
		})
	}
	return r.publish("timm", "Ten networks of timm, imported", fmt.Sprintf("Networks as PyTorch exports them from timm to ONNX (the exporter by TorchScript, one picture of 224 pixels), float32, %d threads. "+
		"All sides read the same file. *outputs differ by* is the largest difference between the outputs of incc and of ONNX Runtime, relative to the largest output. "+
		"The last column shares the sum of the least times of incc's steps among their kernels, those of 3 %% and more, and says what part of the peak convolutions reach; Winograd's algorithm may pass 100 %%.", r.threads), t.String())
}

// byKernel says which kernels take the time of a network's steps.
func (r *report) byKernel(s *side) (string, error) {
	times, peak, err := r.leastTimes(s, r.threads)
	if err != nil {
		return "", err
	}
	return kernelShares(s.prog.Plan().Steps, times, peak), nil
}

// kernelShares is byKernel of steps with their times, in seconds, and a peak in GFLOP/s.
func kernelShares(steps []plan.Step, times []float64, peak float64) string {
	type part struct {
		kernel string
		time   float64
		macs   int64
	}
	var parts []part
	sum := 0.0
	for i, st := range steps {
		name := kernelName(st.Do)
		j := slices.IndexFunc(parts, func(p part) bool { return p.kernel == name })
		if j < 0 {
			j = len(parts)
			parts = append(parts, part{kernel: name})
		}
		parts[j].time += times[i]
		parts[j].macs += st.Cost.MACs
		sum += times[i]
	}
	slices.SortStableFunc(parts, func(a, b part) int {
		switch {
		case a.time > b.time:
			return -1
		case a.time < b.time:
			return 1
		}
		return 0
	})
	var l []string
	for _, p := range parts {
		if p.time < 0.03*sum {
			break
		}
		text := fmt.Sprintf("%s %.0f %%", p.kernel, 100*p.time/sum)
		if p.macs > 0 {
			text += fmt.Sprintf(" (%s of the peak)", percent(p.macs, p.time, peak))
		}
		l = append(l, text)
	}
	return strings.Join(l, ", ")
}
