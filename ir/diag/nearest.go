package diag

import "strings"

// Nearest returns the candidate that name most likely stands for, by the restricted
// Damerau-Levenshtein distance. At most a third of the letters of the longer name may
// differ, or one letter of a name of two: "cov" finds "conv", but "x" finds nothing.
// Letters that differ only in case count half. Among equally near candidates it returns
// the first. It does not return name itself.
func Nearest(name string, candidates []string) (string, bool) {
	if name == "" || len(name) > 256 {
		return "", false
	}
	best, found := 0, ""
	for _, c := range candidates {
		if c == name || c == "" || len(c) > 256 {
			continue
		}
		longest := max(len(name), len(c))
		// Distances are doubled, so that half a letter is a whole number.
		most := 2 * max(longest/3, min(1, longest-1))
		if d := distance(name, c, most); d <= most && (found == "" || d < best) {
			best, found = d, c
		}
	}
	return found, found != ""
}

// DidYouMean returns the line of help for an unknown name, such as
// `did you mean "conv"?`, or "" if no candidate is near.
func DidYouMean(name string, candidates []string) string {
	if c, ok := Nearest(name, candidates); ok {
		return "did you mean " + Quote(c) + "?"
	}
	return ""
}

// distance returns twice the restricted Damerau-Levenshtein distance between a and b.
// If that is larger than most, it may return any number larger than most.
func distance(a, b string, most int) int {
	if d := 2 * (len(a) - len(b)); d > most || -d > most {
		return most + 1
	}
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = 2 * j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = 2 * i
		least := row[0]
		for j := 1; j <= len(b); j++ {
			cost := 2
			switch {
			case a[i-1] == b[j-1]:
				cost = 0
			case strings.EqualFold(a[i-1:i], b[j-1:j]):
				cost = 1
			}
			row[j] = min(prev[j-1]+cost, prev[j]+2, row[j-1]+2)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+2)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}
