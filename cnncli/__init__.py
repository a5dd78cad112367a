"""cnncli names what is in an image, from the command line and in pipelines.

The map of the house. A higher floor may import a lower one, never the other way; rooms on one floor
stay apart (import-linter checks both, and a test holds this page against the disk).

    floor  room          what it holds                                                             torch?
    -----  ------------  ------------------------------------------------------------------------  ------
    10     __main__      python -m cnncli                                                          no
    9      cli/          one thin file a command; options, the error boundary, stdout and stderr   no
    8      training/     a network that learns the classes of labelled images                      partly
    8      export/       a network as one ONNX file that runs without cnncli                       no
    8      inspection/   summaries, filters, feature maps, receptive fields, class activation      partly
    8      retrieval/    nearest neighbours in feature space                                       no
    7      evaluation/   how good a classifier is, where it fails, which of two is better          no
    6      features/     images to embeddings, each computed once                                  no
    6      doctor        what is installed, what works, what to do about what does not                no
    6      predict       batches through an engine to one record for each input                    no
    5      inference     a model folder, opened and run over image sources, in input order         no
    5      prepare       a reference to a model folder: finds it or makes it                       lazily
    4      engines/      pixels to logits and embeddings: ONNX Runtime, torch; the compiler        partly
    3      data/         labelled folders and lists, splits, problems of data, common data sets         no
    3      networks/     what a typed name means; model folder; timm, torchvision, blueprints      partly
    2      images/       image sources, decoding, preprocessing, augmentation, the batch loader      no
    2      files/        atomic files, files that can be resumed, tables, embedding files           no
    2      render/       records as text, tables, pictures and the report; the output formats       no
    2      web           questions to servers, files from them, all with a limit                    no
    1      logits        what logits mean: probabilities, best classes, loss                              no
    1      geometry      output sizes and receptive fields of convolutions and poolings             no
    1      records/      the vocabulary: frozen types that every room speaks                       no
    1      text          wording that all rooms share: counts, paths, rows of CSV                  no
    0      errors        the error tree                                                            no

The one idea is the model folder (`networks/model_folder.py`): a network with its class names, its
preprocessing and a compiled copy of itself. Whatever a user can type becomes one, once; from then on
predicting reads that folder and needs no torch.

Nothing heavy is imported before it is needed: `cnncli --help` and a usage error load neither torch nor
NumPy nor Pillow. A command's body imports its capability on its first line.
"""

__version__ = "0.1.0"
