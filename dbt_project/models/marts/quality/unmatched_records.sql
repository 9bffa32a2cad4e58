with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
    where customer_id is null
),

reviews as (
    select * from {{ ref('int_reviews_linked') }}
    where customer_id is null
),

complaints as (
    select * from {{ ref('int_complaints_linked') }}
    where customer_id is null
),

final as (
    select
        'line' as record_kind,
        source,
        line_id as record_id,
        load_id,
        file_name,
        file_row,
        document_number,
        invoiced_on as dated_on,
        line_amount_net,
        unmatched_reason
    from lines
    union all
    select
        'review' as record_kind,
        source,
        platform || ':' || review_id as record_id,
        null as load_id,
        null as file_name,
        null as file_row,
        order_reference as document_number,
        cast(created_at as date) as dated_on,
        null as line_amount_net,
        'no e-mail, order number or name of exactly one customer' as unmatched_reason
    from reviews
    union all
    select
        'complaint' as record_kind,
        source,
        complaint_id as record_id,
        null as load_id,
        null as file_name,
        null as file_row,
        order_reference as document_number,
        cast(opened_at as date) as dated_on,
        null as line_amount_net,
        'no number, record, order number or e-mail of exactly one customer' as unmatched_reason
    from complaints
)

select * from final
