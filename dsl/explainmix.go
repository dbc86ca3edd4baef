package dsl

import "strings"

// mixPage explains the keys of augment that mix pictures.
type mixPage struct{ name, text, example string }

var mixPages = []mixPage{
	{"mixup", "mixup blends the pictures of a batch in pairs (Zhang 2018, arXiv 1710.09412): share * picture + (1 - share) * other picture. " +
		"The share is drawn for each batch from Beta(alpha, alpha): 0.1 to 0.4 are usual values of alpha, and larger ones blend more.",
		"train {\n  adam lr=0.001\n  augment flip=0.5 mixup=0.2\n  run batch=64 epochs=30\n}"},
	{"cutmix", "cutmix replaces a rectangle of a picture by that of another picture (Yun 2019, arXiv 1905.04899). " +
		"Its sides are sqrt(1 - share) of those of the picture, with the share drawn for each batch from Beta(alpha, alpha). Its middle is anywhere in the picture; " +
		"where it meets the edges it is smaller, and the share is that of the pixels which stay. The usual alpha is 1.",
		"train {\n  adam lr=0.001\n  augment mixup=0.2 cutmix=1 mix_prob=0.8\n  run batch=64 epochs=30\n}"},
}

// mixCommon is about both.
const mixCommon = "Picture i of a batch of n is mixed with picture n-1-i, after all other changes of both (as timm does it). " +
	"Everything is drawn from the seed, so a run that continues mixes the same pictures. With both keys, each batch gets one of the two with equal probability. " +
	"mix_prob=0.8 leaves a fifth of the batches as they are.\n" +
	"The loss is share * loss of the label + (1 - share) * loss of the other label, for the output and each head, with any smoothing, weights of classes and focal loss. " +
	"For loss xent without weights this is the cross-entropy with labels that are mixed by the same share.\n" +
	"The accuracy of training counts the label with the larger share. It and the loss of training are worse than those of validation, whose pictures are not mixed. " +
	"incc data inspect DATA --spec SPEC --augmented FILE.png draws mixed pictures."

func (p mixPage) page() string {
	s := "augment " + p.name + "=ALPHA mix_prob=PROBABILITY\n\n" + fill(p.text, 80) + "\n"
	for _, text := range strings.Split(mixCommon, "\n") {
		s += fill(text, 80) + "\n"
	}
	s += "A key of the statement augment of train { … }.\n\n"
	for line := range strings.Lines(p.example + "\n") {
		s += "  " + line
	}
	return s + explainSlots("keys", mixKeys())
}

// mixKeys are the keys of augment that the pages are about.
func mixKeys() []slot {
	var slots []slot
	for _, s := range trainTable {
		if s.name != "augment" {
			continue
		}
		for _, name := range []string{"mixup", "cutmix", "mix_prob"} {
			slots = append(slots, s.key(name).slot)
		}
	}
	return slots
}

func mixNames() []string {
	var names []string
	for _, p := range mixPages {
		names = append(names, p.name)
	}
	return names
}
