alter table orders add column confirmed_at timestamptz;
