"""Messages with AMQP 0-9-1: exchanges and queues as data, and an envelope with publisher and consumer."""
