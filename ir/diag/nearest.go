package diag

import "strings"

// Nearest is the candidate that name was most likely meant to be, by the
// restricted Damerau-Levenshtein distance: at most a third of the longer name's
// letters may differ, and one of two, so that "cov" finds "conv" but "x" finds
// nothing. Letters that differ in case alone count half. Of equally near ones
// the first wins.
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
		// Distances are doubled, for the halves.
		most := 2 * max(longest/3, min(1, longest-1))
		if d := distance(name, c, most); d <= most && (found == "" || d < best) {
			best, found = d, c
		}
	}
	return found, found != ""
}

// DidYouMean is the line of help for a name that nobody declared, "" where no
// candidate is near.
func DidYouMean(name string, candidates []string) string {
	if c, ok := Nearest(name, candidates); ok {
		return "did you mean " + Quote(c) + "?"
	}
	return ""
}

// distance is twice the restricted Damerau-Levenshtein distance of a and b, or
// something larger than most where it exceeds that.
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
