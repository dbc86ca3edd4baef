package dsl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// trainStmt describes a statement of train, for the documentation, the parser and the
// printer.
type trainStmt struct {
	name  string
	doc   string
	group string                        // statements of a group exclude each other; "" for no group
	many  bool                          // may occur several times
	words []string                      // the words that the first argument may be; nil for other arguments
	word  func(t *recipe.Train) *string // the field for the first argument; nil if there is none
	keys  []trainKey
	about *aboutParts // of a statement whose arguments are parts of the network; nil for others
}

// trainKey is a key of a statement of train. field returns a pointer to the field of the
// recipe that it sets: an int, int64, float64, string, bool, []float64 or [2]float64.
type trainKey struct {
	slot
	field func(t *recipe.Train, a *recipe.Augment) any
}

// optimizer makes the statement of an optimizer with some of the keys.
func optimizer(name, doc string, keys ...string) trainStmt {
	all := []trainKey{
		{slot{"lr", kPositive, "", "learning rate"}, func(t *recipe.Train, _ *recipe.Augment) any { return &t.Optimizer.LR }},
		{slot{"momentum", kBelowOne, "0", "velocity = momentum * velocity + gradient"}, func(t *recipe.Train, _ *recipe.Augment) any { return &t.Optimizer.Momentum }},
		{slot{"decay", kNonNeg, "0", "weight decay of conv and fc weights"}, func(t *recipe.Train, _ *recipe.Augment) any { return &t.Optimizer.Decay }},
		{slot{"beta1", kBelowOne, "0.9", "decay rate of the average of the gradient"}, func(t *recipe.Train, _ *recipe.Augment) any { return &t.Optimizer.Beta1 }},
		{slot{"beta2", kBelowOne, "0.999", "decay rate of the average of the squared gradient"}, func(t *recipe.Train, _ *recipe.Augment) any { return &t.Optimizer.Beta2 }},
		{slot{"rho", kBelowOne, "0.9", "decay rate of the average of the squared gradient"}, func(t *recipe.Train, _ *recipe.Augment) any { return &t.Optimizer.Rho }},
		{slot{"eps", kPositive, "1e-8", "added to the denominator"}, func(t *recipe.Train, _ *recipe.Augment) any { return &t.Optimizer.Eps }},
	}
	s := trainStmt{name: name, doc: doc, group: "optimizer"}
	for _, k := range all {
		if slices.Contains(keys, k.name) {
			s.keys = append(s.keys, k)
		}
	}
	return s
}

// rmsprop makes the statement of a form of RMSProp. The forms differ in the meaning of
// momentum and eps, and in the default of rho.
func rmsprop(name, doc, velocity, eps, rho string) trainStmt {
	s := optimizer(name, doc, "lr", "momentum", "decay", "rho", "eps")
	s.key("momentum").doc = "velocity = " + velocity
	s.key("eps").doc = eps
	s.key("rho").standard = rho
	return s
}

// num makes a key that sets a field of the recipe.
func num(name string, k *kind, doc string, field func(t *recipe.Train) any) trainKey {
	return trainKey{slot{name, k, "", doc}, func(t *recipe.Train, _ *recipe.Augment) any { return field(t) }}
}

// aug makes a key of augment.
func aug(name string, k *kind, doc string, field func(a *recipe.Augment) any) trainKey {
	return trainKey{slot{name, k, "", doc}, func(_ *recipe.Train, a *recipe.Augment) any { return field(a) }}
}

// trainTable lists the statements of train, in the order in which Print prints them.
var trainTable = []trainStmt{
	{name: "loss", doc: "What is minimized. xent is softmax cross-entropy on the logits before a trailing softmax; focal multiplies it by (1 - probability of the label)^gamma (Lin 2017). With weights the mean over a batch is divided by the sum of the labels' weights.", words: []string{"xent", "focal"},
		word: func(t *recipe.Train) *string { return &t.Loss.Kind },
		keys: []trainKey{
			num("smoothing", kBelowOne, "of xent: label smoothing (Szegedy 2016, section 7)", func(t *recipe.Train) any { return &t.Loss.Smoothing }),
			num("gamma", kGamma, "of focal; 2 by default", func(t *recipe.Train) any { return &t.Loss.Gamma }),
			num("weights", kClassWeights, "of the classes, in their order: 1,2.5,1; balanced is images / (classes * images of the class)", func(t *recipe.Train) any { return &t.Loss.Weights }),
		}},
	optimizer("sgd", "Stochastic gradient descent with momentum.", "lr", "momentum", "decay"),
	optimizer("nesterov", "Stochastic gradient descent with Nesterov momentum.", "lr", "momentum", "decay"),
	optimizer("adam", "Adam (Kingma 2015); decay is added to the gradient.", "lr", "decay", "beta1", "beta2", "eps"),
	optimizer("adamw", "Adam with decoupled weight decay (Loshchilov 2019).", "lr", "decay", "beta1", "beta2", "eps"),
	rmsprop("rmsprop", "RMSProp (Tieleman 2012) as TensorFlow computes it: eps is under the root, the velocity holds the learning rate. Inception v3 uses rho=0.9 eps=1.",
		"momentum * velocity + lr * gradient / sqrt(average + eps)", "added to the average under the root", "0.9"),
	rmsprop("rmsprop_torch", "RMSProp as PyTorch's torch.optim.RMSprop computes it: eps is added to the root, the learning rate scales the whole velocity.",
		"momentum * velocity + gradient / (sqrt(average) + eps)", "added to the root of the average", "0.99"),
	{name: "schedule", doc: "How the learning rate changes over the epochs.", words: []string{"constant", "step", "poly", "exp", "cosine", "plateau"},
		word: func(t *recipe.Train) *string { return &t.Schedule.Kind },
		keys: []trainKey{
			num("every", kPositive, "epochs between steps (step, exp), or epochs without improvement (plateau)", func(t *recipe.Train) any { return &t.Schedule.Every }),
			num("factor", kPositive, "factor on the learning rate at each step", func(t *recipe.Train) any { return &t.Schedule.Factor }),
			num("power", kPositive, "exponent of poly: (1 - epoch/epochs)^power", func(t *recipe.Train) any { return &t.Schedule.Power }),
			num("warmup", kNonNeg, "epochs of linear warm-up, for every kind of schedule", func(t *recipe.Train) any { return &t.Schedule.Warmup }),
			num("floor", kNonNeg, "lowest learning rate", func(t *recipe.Train) any { return &t.Schedule.Floor }),
			num("at", kList, "epochs of the steps, instead of every", func(t *recipe.Train) any { return &t.Schedule.At }),
		}},
	{name: "init", doc: "Initialization of the weights whose layers have no init: " + initForms() + ".",
		word: func(t *recipe.Train) *string { return &t.Init }},
	freezeStmt(),
	rateStmt(),
	{name: "augment", doc: "Changes of the training images; several statements apply in order. mixup and cutmix mix the pictures of a batch in pairs, after all other changes: incc explain mixup.", many: true,
		keys: []trainKey{
			aug("pad", kSide, "zeros around the image before the crop", func(a *recipe.Augment) any { return &a.Pad }),
			aug("crop", kCount, "side of a random crop", func(a *recipe.Augment) any { return &a.Crop }),
			aug("area", kSpread, "area of a random crop, as a share of the image", func(a *recipe.Augment) any { return &a.Area }),
			aug("aspect", kSpread, "aspect ratio of a random crop, width / height", func(a *recipe.Augment) any { return &a.Aspect }),
			aug("flip", kShare, "probability of a horizontal flip", func(a *recipe.Augment) any { return &a.Flip }),
			aug("brightness", kShare, "largest change of the brightness, as a share", func(a *recipe.Augment) any { return &a.Brightness }),
			aug("contrast", kShare, "largest change of the contrast, as a share", func(a *recipe.Augment) any { return &a.Contrast }),
			aug("saturation", kShare, "largest change of the saturation, as a share", func(a *recipe.Augment) any { return &a.Saturation }),
			aug("lighting", kNonNeg, "standard deviation of PCA noise (Krizhevsky 2012, section 4.1)", func(a *recipe.Augment) any { return &a.Lighting }),
			aug("gcn", kSwitch, "global contrast normalization (Goodfellow 2013)", func(a *recipe.Augment) any { return &a.GCN }),
			aug("zca", kSwitch, "whitening (Goodfellow 2013)", func(a *recipe.Augment) any { return &a.ZCA }),
			aug("rotate", kNonNeg, "largest rotation, in degrees", func(a *recipe.Augment) any { return &a.Rotate }),
			aug("shift", kShare, "largest shift, as a share of the side", func(a *recipe.Augment) any { return &a.Shift }),
			aug("mean_std", kSwitch, "subtract the mean of the training images and divide by their standard deviation; only train and eval can, the keys mean and std of input go everywhere", func(a *recipe.Augment) any { return &a.MeanStd }),
			aug("mean_image", kSwitch, "subtract the mean image of the data set", func(a *recipe.Augment) any { return &a.MeanSubtracted }),
			aug("erase", kShare, "probability that a random rectangle is erased", func(a *recipe.Augment) any { return &a.RandomErase }),
			aug("mixup", kAlpha, "alpha of mixup (Zhang 2018), which blends pictures", func(a *recipe.Augment) any { return &a.Mixup }),
			aug("cutmix", kAlpha, "alpha of CutMix (Yun 2019), which pastes a part of another picture", func(a *recipe.Augment) any { return &a.CutMix }),
			aug("mix_prob", kChance, "probability that a batch is mixed; 1 by default", func(a *recipe.Augment) any { return &a.MixProb }),
		}},
	{name: "regularize", doc: "Penalties in addition to the weight decay of the optimizer.", keys: []trainKey{
		num("l1", kNonNeg, "factor on the sum of absolute weights", func(t *recipe.Train) any { return &t.Regular.L1 }),
		num("l2", kNonNeg, "factor on half the sum of squares", func(t *recipe.Train) any { return &t.Regular.L2 }),
		num("max_norm", kNonNeg, "largest norm of the weights of one output", func(t *recipe.Train) any { return &t.Regular.MaxNorm }),
	}},
	{name: "clip", doc: "Limits on the gradients before the update.", keys: []trainKey{
		num("norm", kPositive, "largest norm of all gradients together", func(t *recipe.Train) any { return &t.Clip.Norm }),
		num("value", kPositive, "largest absolute value of each element", func(t *recipe.Train) any { return &t.Clip.Value }),
	}},
	{name: "average", doc: "Averages of the weights and of the running statistics of batch normalization, for evaluation and in files of weights. Step t, counted from 0, computes average += r * (value - average). For polyak, r is 1/(t+1): the average is the mean of all steps. For ema, r is max(1-decay, 1/(t+1)): the average is the mean at first, and then an exponential average.", words: []string{"polyak", "ema"},
		word: func(t *recipe.Train) *string { return &t.Average.Kind },
		keys: []trainKey{num("decay", kBelowOne, "decay rate of ema; default 0.999", func(t *recipe.Train) any { return &t.Average.Decay })}},
	{name: "early_stop", doc: "Ends a run that no longer improves.", keys: []trainKey{
		num("patience", kCount, "epochs without improvement", func(t *recipe.Train) any { return &t.EarlyStop.Patience }),
		num("metric", word("accuracy", "loss"), "what must improve", func(t *recipe.Train) any { return &t.EarlyStop.Metric }),
	}},
	{name: "run", doc: "Length, batch size and seed of a run.", keys: []trainKey{
		num("batch", kCount, "images in each step", func(t *recipe.Train) any { return &t.Run.Batch }),
		num("epochs", kPositive, "passes over the data", func(t *recipe.Train) any { return &t.Run.Epochs }),
		num("seed", kSeed, "seed of initialization, order, augmentation and dropout", func(t *recipe.Train) any { return &t.Run.Seed }),
		num("average", word("polyak", "ema"), "short for the statement average", func(t *recipe.Train) any { return &t.Average.Kind }),
	}},
}

func trainNames() []string {
	var names []string
	for _, s := range trainTable {
		names = append(names, s.name)
	}
	return names
}

// train parses the train block into the recipe.
func (b *builder) train(s *Train, cx context) {
	t := &recipe.Train{}
	b.g.Graph().Recipe.Train = t
	first := map[string]*Call{}
	for _, c := range s.Stmts {
		row := (*trainStmt)(nil)
		for i := range trainTable {
			if trainTable[i].name == c.Name.Name {
				row = &trainTable[i]
			}
		}
		if row == nil {
			d := b.err(cx, "E0606", c.Name.Span, "train has no statement %s", diag.Quote(c.Name.Name))
			if near, ok := diag.Nearest(c.Name.Name, trainNames()); ok {
				d.WithHelp("did you mean %s?", near).Suggest(c.Name.Span, near)
			} else {
				d.WithHelp("its statements are %s", strings.Join(trainNames(), ", "))
			}
			continue
		}
		group := row.group
		if group == "" {
			group = row.name
		}
		if old := first[group]; old != nil && !row.many {
			what := row.name
			if row.group != "" {
				what = row.group
			}
			b.err(cx, "E0607", c.Name.Span, "train can have only one %s", what).Relate(old.Name.Span, "the first is here").WithHelp("delete one of the two")
			continue
		}
		first[group] = c
		b.trainStmt(row, c, t, cx)
	}
	if t.Loss.Kind == "focal" && t.Loss.Gamma == 0 {
		t.Loss.Gamma = focalGamma
	}
	if t.Average.Kind == "ema" && t.Average.Decay == 0 {
		t.Average.Decay = emaDecay
	}
}

// focalGamma is the default gamma of the focal loss, the one that Lin 2017 found best.
const focalGamma = 2

// emaDecay is the default decay of an exponential average.
const emaDecay = 0.999

func (b *builder) trainStmt(row *trainStmt, c *Call, t *recipe.Train, cx context) {
	if row.group == "optimizer" {
		t.Optimizer.Kind = row.name
	}
	pos := c.Positional()
	switch {
	case row.about != nil:
		b.partsOf(row, c, t, cx)
	case row.word == nil:
		if len(pos) > 0 {
			d := b.err(cx, "E0403", pos[0].Span(), "%s takes only key=value: %s has no =", row.name, diag.Quote(pos[0].Value.Raw()))
			if k := row.key(pos[0].Value.Raw()); k != nil && k.kind == kSwitch {
				d.WithHelp("write %s=on", k.name).Suggest(pos[0].Span(), k.name+"=on")
			} else {
				d.WithHelp("its keys are %s", strings.Join(row.keyNames(), ", "))
			}
		}
	case len(pos) != 1:
		k := kInit
		if row.words != nil {
			k = word(row.words...)
		}
		at := c.Span().After()
		if len(pos) > 1 {
			at = pos[1].Span()
		}
		b.err(cx, "E0402", at, "%s needs one value without a key: %s", row.name, k.want)
	default:
		k := kInit
		if row.words != nil {
			k = word(row.words...)
		}
		v := b.look(pos[0].Value, cx)
		if v.unknown {
			break
		}
		x, ok := k.parse(&v)
		if !ok {
			b.badValue(cx, "train", row.name, k, &v)
			break
		}
		if old := *row.word(t); old != "" && old != v.text() {
			b.err(cx, "E0607", v.at, "%s %s contradicts %s=%s of run", row.name, v.text(), row.name, old).WithHelp("keep one of the two")
		}
		*row.word(t) = v.text()
		if row.name == "init" {
			b.inits, b.hasInits = x.(ir.Init), true
		}
	}
	slots := make([]slot, len(row.keys))
	for i, k := range row.keys {
		slots[i] = k.slot
	}
	a := b.keyed(row.name, slots, c.Args[len(pos):], cx)
	var augment recipe.Augment
	for _, k := range row.keys {
		x, ok := a.vals[k.name]
		if !ok {
			if f, isNumber := k.field(t, &augment).(*float64); isNumber && k.standard != "" && !a.given[k.name] {
				// Set the default of the table. Without it, Adam would have eps 0 and
				// betas 0, and divide 0 by 0.
				*f, _ = strconv.ParseFloat(k.standard, 64)
			}
			continue
		}
		switch f := k.field(t, &augment).(type) {
		case *int:
			*f = x.(int)
		case *int64:
			*f = int64(x.(int))
		case *float64:
			*f = x.(float64)
		case *bool:
			*f = x.(bool)
		case *string:
			if *f != "" && *f != x.(string) {
				b.err(cx, "E0607", a.at[k.name], "%s=%s contradicts %s %s", k.name, x, k.name, *f).WithHelp("keep one of the two")
			}
			*f = x.(string)
		case *[]float64:
			*f = x.([]float64)
		case *recipe.ClassWeights:
			*f = x.(recipe.ClassWeights)
			b.weightsAt, b.weightsIn = a.at[k.name], cx
		case *[2]float64:
			*f = x.([2]float64)
		}
	}
	if row.name == "augment" {
		b.checkMixing(c, a, cx)
		t.Augment = append(t.Augment, augment)
	}
	b.checkTrain(row, c, t, a, cx)
}

// checkClassWeights reports weights of the loss that are more or fewer than the classes.
func (b *builder) checkClassWeights(x *ir.Value) {
	t := b.g.Graph().Recipe.Train
	if t == nil || len(t.Loss.Weights.Values) == 0 || x == nil || len(x.Type.Shape) < 2 {
		return
	}
	weights := len(t.Loss.Weights.Values)
	if classes := x.Type.Shape.Size(); classes != weights {
		d := b.err(b.weightsIn, "E0405", b.weightsAt, "the loss has %d weights, the network %d classes", weights, classes)
		b.from(d, x, b.weightsIn, "the output, %s, comes from here", image(x))
		d.WithHelp("write %d weights, or weights=balanced", classes)
	}
}

// checkMixing reports mixing of pictures in a second statement, and a probability without
// mixing.
func (b *builder) checkMixing(c *Call, a *bound, cx context) {
	on := false
	for _, key := range []string{"mixup", "cutmix"} {
		if !a.given[key] {
			continue
		}
		if b.mixes && !on {
			b.err(cx, "E0607", a.at[key], "another augment statement mixes pictures already").
				WithHelp("write mixup and cutmix into one statement: each batch then gets one of them")
		}
		on = true
	}
	b.mixes = b.mixes || on
	if a.given["mix_prob"] && !on {
		b.err(cx, "E0402", c.Span().After(), "mix_prob needs mixup= or cutmix= in the same statement").WithHelp("augment mixup=0.2 mix_prob=0.5")
	}
}

func (s *trainStmt) key(name string) *trainKey {
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i]
		}
	}
	return nil
}

func (s *trainStmt) keyNames() []string {
	var names []string
	for _, k := range s.keys {
		names = append(names, k.name)
	}
	return names
}

// checkTrain reports missing keys of optimizers and schedules, and keys that the kind of
// schedule does not use.
func (b *builder) checkTrain(row *trainStmt, c *Call, t *recipe.Train, a *bound, cx context) {
	need := func(key, why string) {
		if _, ok := a.vals[key]; !ok && !a.given[key] {
			b.err(cx, "E0402", c.Span().After(), "%s needs %s=", why, key)
		}
	}
	if row.group == "optimizer" {
		need("lr", row.name)
	}
	if row.name == "loss" {
		for key, kind := range map[string]string{"smoothing": "xent", "gamma": "focal"} {
			if a.given[key] && t.Loss.Kind != "" && t.Loss.Kind != kind {
				b.err(cx, "E0404", a.at[key], "loss %s has no key %s", t.Loss.Kind, key).WithHelp("that is a key of loss %s", kind)
			}
		}
	}
	if row.name != "schedule" || t.Schedule.Kind == "" {
		return
	}
	uses := map[string][]string{
		"constant": {"warmup"}, "step": {"every", "at", "factor", "warmup", "floor"}, "poly": {"power", "warmup", "floor"},
		"exp": {"every", "factor", "warmup", "floor"}, "cosine": {"warmup", "floor"}, "plateau": {"every", "factor", "warmup", "floor"},
	}[t.Schedule.Kind]
	for _, k := range row.keys {
		if a.given[k.name] && !slices.Contains(uses, k.name) {
			b.err(cx, "E0404", a.at[k.name], "schedule %s has no key %s", t.Schedule.Kind, k.name).WithHelp("its keys are %s", strings.Join(uses, ", "))
		}
	}
	switch t.Schedule.Kind {
	case "step", "exp", "plateau":
		need("factor", "schedule "+t.Schedule.Kind)
	}
	if t.Schedule.Kind == "step" && !a.given["every"] && !a.given["at"] {
		b.err(cx, "E0402", c.Span().After(), "schedule step needs every= or at=").WithHelp("schedule step every=8 factor=0.96")
	}
	for i, e := range t.Schedule.At {
		if e <= 0 || i > 0 && e <= t.Schedule.At[i-1] {
			b.err(cx, "E0405", a.at["at"], "at of schedule must be a list of epochs in rising order")
			break
		}
	}
}
