with

ratings as (
    {{ current_records(
        source('raw_credit_ratings', 'ratings'),
        [
            normalised_text('bureau'),
            cleaned_text('customer_number'),
            'upper(' ~ cleaned_text('vat_id') ~ ')',
            parse_date('rated_on', '_date_order'),
        ]
    ) }}
),

cast_once as (
    select
        {{ cleaned_text('customer_number') }} as customer_number,
        upper({{ cleaned_text('vat_id') }}) as vat_id,
        {{ cleaned_text('bureau') }} as bureau,
        {{ parse_decimal('credit_index', '_decimal_mark') }} as credit_index,
        {{ parse_date('rated_on', '_date_order') }} as rated_on,
        _load_id as load_id
    from ratings
),

final as (
    select
        {{ short_hash(
            normalised_text('bureau') ~ " || '|' || coalesce(customer_number, '') || '|'"
            ~ " || coalesce(vat_id, '') || '|' || rated_on"
        ) }} as rating_id,
        *
    from cast_once
)

select * from final
