package main

// explainTorch is the page about training with PyTorch.
func explainTorch() string {
	return `incc gen torch: a network as a module of PyTorch, trained on GPUs and many machines

  incc gen torch mnist/nin -o nin --train
  pip install -r nin/requirements.txt
  python nin/train.py DATA --out run
  torchrun --nproc-per-node=4 nin/train.py DATA --out run
  incc eval run

Files

model.py has an nn.Module for each labelled part and block of the spec, and needs
PyTorch alone. model(x) gives the logits, also those of heads while it trains;
model.predict(x) gives probabilities. weights.safetensors has the weights. The
names in the state_dict are those of incc, with torch.save or safetensors alike.

--train adds train.py, recipe.py (the settings of the spec), data.py, runfolder.py,
display.py, requirements.txt, Dockerfile, job.yaml (a job of Kubeflow's PyTorch
operator) and README.md, which says where each data set is taken from.

What train.py does as incc train does

  the first weights, the images for validation and the order of images
  loss, label smoothing, heads, optimizers, schedules, warm-up, decay, penalties,
  bounds of norms, clipping, averages of weights, frozen parts, rates of parts
  columns of results.csv, and the other files in the folder of a run: incc eval
  RUN, predict RUN, compare RUN OTHER, view RUN, compile RUN, gen go RUN take it

Random changes of images and dropout are drawn by PyTorch: they have the same
distribution but are others. incc train --resume does not continue such a run;
train.py with the same --out does, and incc train SPEC --init RUN begins with
its weights.

Processes

The batch of the spec is that of all processes together, and the losses do not
depend on their number, except by batch normalization (of each process its own,
or --sync-bn), dropout and rounding. --device-batch N gives each process N images
instead. A run that was killed goes on from its checkpoint, also with another
number of processes. --amp (bfloat16), --channels-last and --compile are for speed.

ONNX models

incc gen torch MODEL.onnx takes the spec that incc import would write, so that
layers and blocks become modules. Where that is not possible, the modules are the
ops of the model, and a note says so.
`
}

// explainTriton is the page about model repositories.
func explainTriton() string {
	return `incc gen triton: a model repository for Triton Inference Server

  incc gen triton run -o models
  tritonserver --model-repository=models

models/NAME gets config.pbtxt, labels.txt if the classes have names, and
1/model.onnx, which Triton runs with ONNX Runtime. Several models share a
repository; --name gives each its own folder.

Versions

Where the repository has a model of that name, the model that incc gen triton
wrote last stays, and the new one gets the next number: 2/model.onnx. Triton
serves the highest number unless version_policy in config.pbtxt says otherwise; to
go back, delete the folder of the new version. The input and the outputs of all
versions must be those of config.pbtxt, so a model with others is refused: choose
another --name. So is a network of another name than that in the comment of
config.pbtxt, without --replace. A model that is there already stays. --replace writes the version that is there anew, in place.

Batches

Triton joins requests to batches of up to --batch images, and lets a request wait
up to --wait for others. Requests carry tensors, not pictures: clients scale the
pictures themselves, as a comment in config.pbtxt says (incc explain input).
`
}
