"""Labels at the desk: check them, count them, convert them, and bring others in. For the command and for your code.

It lies in `gtplus_cli`, the package of what runs at the desk, and needs the standard library alone (boto3 for S3 URIs).

    from gtplus_cli.labels import check_labels, convert_labels, label_statistics

    convert_labels("output.manifest", "coco.json", to="coco")

All of them read a manifest line by line; counting and converting take no more memory for more lines, a check remembers
the names of the objects.
"""

from gtplus_cli.labels.agreeing import label_agreement
from gtplus_cli.labels.checking import LabelReport, check_labels, label_statistics
from gtplus_cli.labels.converting import FORMATS, Conversion, convert_labels
from gtplus_cli.labels.importing import IMPORTS, import_labels

__all__ = [
    "FORMATS",
    "IMPORTS",
    "Conversion",
    "LabelReport",
    "check_labels",
    "convert_labels",
    "import_labels",
    "label_agreement",
    "label_statistics",
]
