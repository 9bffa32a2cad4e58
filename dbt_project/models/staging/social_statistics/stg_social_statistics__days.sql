with

days as (
    select * from {{ source('raw_social_statistics', 'days') }}
    where not coalesce(_is_deleted, false)
),

-- Every version, not only the newest: a later list may know less of a day than an earlier one.
final as (
    select
        _load_id || ':' || _row as line_id,
        _load_id as load_id,
        _row as file_row,
        {{ normalised_text('platform') }} as platform,
        {{ parse_date('day', '_date_order') }} as counted_on,
        cast({{ parse_decimal('followers', '_decimal_mark') }} as bigint) as followers,
        cast({{ parse_decimal('interactions', '_decimal_mark') }} as bigint) as interactions,
        cast({{ parse_decimal('mentions', '_decimal_mark') }} as bigint) as mentions,
        cast({{ parse_decimal('own_posts', '_decimal_mark') }} as bigint) as own_posts
    from days
)

select * from final
