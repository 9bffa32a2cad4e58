with

lines as (
    select * from {{ ref('int_sales_lines_current') }}
    where customer_key_hash is not null
),

customers as (
    select * from {{ ref('int_customers_described') }}
),

records as (
    select distinct
        source,
        customer_key_kind,
        customer_key_hash,
        'c_' || customer_key_hash as customer_id
    from lines
),

final as (
    select
        records.source,
        records.customer_key_kind as key_kind,
        records.customer_key_hash as key_hash,
        customers.customer_number,
        records.customer_id,
        'same ' || replace(records.customer_key_kind, '_', ' ') as rule,
        cast(1 as double) as probability
    from records
    left join customers on records.customer_id = customers.customer_id
)

select * from final
