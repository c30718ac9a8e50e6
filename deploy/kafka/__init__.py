"""Apache Kafka (KRaft) on the loopback interface, for tests, benchmarks and development: not part of the product.

`make kafka` fetches the jars. A cluster is started, broken and repaired by `KafkaCluster`.
"""

from deploy.kafka.broker import KafkaBroker
from deploy.kafka.cluster import KafkaCluster
from deploy.kafka.installation import KafkaMissing, find_installation
from deploy.kafka.node import KafkaNode, Listener

__all__ = ["KafkaBroker", "KafkaCluster", "KafkaMissing", "KafkaNode", "Listener", "find_installation"]
