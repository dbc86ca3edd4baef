package compress

import (
	"cmp"
	"slices"
)

// Price is a way to change a unit of a network, such as a layer: what the unit costs then, and how
// much the change damages. Loss is of a kind that is added, such as a squared error.
type Price struct {
	Cost, Loss float64
}

// Step says that a unit gets a choice.
type Step struct{ Unit, Choice int }

// Path orders the changes of all units. cost has the cost of each unit as it is, choices the prices of
// its possible changes. After each step the network has the least loss of all networks that do not
// cost more, but for the choices that no line through cheaper and dearer ones reaches: it is the
// greedy solution of the knapsack problem, which takes next what loses least for each unit of cost
// that it saves (Dantzig 1957). A later step of a unit replaces its earlier one.
func Path(cost []float64, choices [][]Price) []Step {
	type edge struct {
		Step
		slope float64
	}
	var edges []edge
	for u, list := range choices {
		at := Price{Cost: cost[u]}
		for {
			best, slope := -1, 0.0
			for i, p := range list {
				if p.Cost >= at.Cost {
					continue
				}
				s := max(p.Loss-at.Loss, 0) / (at.Cost - p.Cost)
				if best < 0 || s < slope || s == slope && p.Cost < list[best].Cost {
					best, slope = i, s
				}
			}
			if best < 0 {
				break
			}
			edges = append(edges, edge{Step{u, best}, slope})
			at = list[best]
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int { return cmp.Compare(a.slope, b.slope) })
	steps := make([]Step, len(edges))
	for i, e := range edges {
		steps[i] = e.Step
	}
	return steps
}
