with

payment_items as (
    {{ current_records(source('raw_lexware_office', 'payment_items'), ['voucher_id', 'position']) }}
),

final as (
    select
        voucher_id || ':' || position as payment_id,
        voucher_id,
        type as payment_type,
        cast({{ parse_timestamp('posting_date') }} as date) as paid_on,
        {{ parse_decimal('amount', '_decimal_mark') }} as amount,
        upper({{ cleaned_text('currency') }}) as currency,
        _load_id as load_id
    from payment_items
)

select * from final
