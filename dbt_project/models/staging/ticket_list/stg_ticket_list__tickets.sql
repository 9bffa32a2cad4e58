with

tickets as (
    {{ current_records(source('raw_ticket_list', 'tickets'), [cleaned_text('ticket_id')]) }}
),

final as (
    select
        {{ cleaned_text('ticket_id') }} as ticket_id,
        {{ cleaned_text('customer_number') }} as customer_number,
        lower({{ cleaned_text('email') }}) as email,
        {{ cleaned_text('subject') }} as subject,
        {{ cleaned_text('text') }} as text,
        {{ cleaned_text('category') }} as category,
        {{ cleaned_text('priority') }} as priority,
        {{ cleaned_text('demand') }} as demand,
        {{ parse_timestamp('opened_at') }} as opened_at,
        {{ parse_timestamp('closed_at') }} as closed_at,
        cast({{ parse_decimal('satisfaction', '_decimal_mark') }} as integer) as satisfaction,
        {{ cleaned_text('order_reference') }} as order_reference,
        _load_id as load_id
    from tickets
)

select * from final
